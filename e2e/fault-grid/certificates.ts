import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Certificate {
  readonly key: Buffer
  readonly cert: Buffer
}

export interface Certificates {
  /** PEM of the authority: who is to believe in it gets this file as NODE_EXTRA_CA_CERTS. */
  readonly authorityFile: string
  /** For 127.0.0.1, by the authority. */
  readonly good: Certificate
  /** By the authority, for a host of another name. */
  readonly otherHost: Certificate
  /** For 127.0.0.1, by nobody. */
  readonly selfSigned: Certificate
}

/** Makes an authority and three certificates in `folder`, good for a day. */
export const makeCertificates = (folder: string): Certificates => {
  const make = (name: string, san: string, byAuthority: boolean): Certificate => {
    const [keyFile, certFile] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)]
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    const signer = byAuthority ? ['-CA', join(folder, 'authority.pem'), '-CAkey', join(folder, 'authority.key')] : []
    const extensions = san === '' ? [] : ['-addext', `subjectAltName=${san}`, '-addext', 'basicConstraints=critical,CA:FALSE']
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-days',
        '1',
        ...curve,
        '-keyout',
        keyFile,
        '-out',
        certFile,
        '-subj',
        `/CN=${name}`,
        ...signer,
        ...extensions,
      ],
      { stdio: 'pipe' },
    )
    return { key: readFileSync(keyFile), cert: readFileSync(certFile) }
  }
  make('authority', '', false)
  return {
    authorityFile: join(folder, 'authority.pem'),
    good: make('good', 'IP:127.0.0.1', true),
    otherHost: make('other-host', 'DNS:other.grid.test', true),
    selfSigned: make('self-signed', 'IP:127.0.0.1', false),
  }
}
