/**
 * How every insert is made, on either engine: in one piece, exactly once for a token, roll-ups included.
 *
 * Tuples are arrays in the order of the table. A column the table lacks is an error: a row must not lose a value unseen.
 */
export const insertSettings = (token: string) =>
  ({
    insert_deduplicate: 1,
    insert_deduplication_token: token,
    deduplicate_blocks_in_dependent_materialized_views: 1,
    async_insert: 0,
    // Into a Distributed table: acknowledged by the shards, not by a queue on the server that was asked.
    distributed_foreground_insert: 1,
    // One thread cuts the lines into the same blocks each time; the engine tells blocks apart by token and number.
    input_format_parallel_parsing: 0,
    input_format_json_named_tuples_as_objects: 0,
    input_format_skip_unknown_fields: 0,
  }) as const
