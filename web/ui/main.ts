import { mount } from 'svelte'
import App from './App.svelte'
import './app.css'
import { theme } from './lib/theme.svelte.js'

theme.start()
const target = document.getElementById('app')
if (target === null) throw new Error('index.html has no #app.')
mount(App, { target })
