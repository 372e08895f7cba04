/** How the embedded PostgreSQL is started. PGlite's defaults are for data that may be lost. */

/**
 * PGlite's own list without `-F` (fsync off) and `-O`, and with settings for a small machine that
 * must not lose what it has acknowledged.
 */
export const START_PARAMETERS: readonly string[] = [
  "--single",
  // A newline does not end a statement.
  "-j",
  ...settings({
    search_path: "pg_catalog,penstock,pg_temp",
    exit_on_error: "false",
    log_checkpoints: "false",
    // There is a single thread, so no worker could be started.
    max_worker_processes: "0",
    max_parallel_workers: "0",
    max_parallel_workers_per_gather: "0",
    max_parallel_maintenance_workers: "0",
    io_method: "sync",
    fsync: "on",
    // The other methods use system calls that do nothing in Emscripten.
    wal_sync_method: "fsync",
    full_page_writes: "on",
    synchronous_commit: "on",
    // Streams are appended and read at their tails: a large cache earns little, and every
    // checkpoint has to write what is dirty in it while requests wait.
    shared_buffers: "32MB",
    wal_buffers: "4MB",
    max_wal_size: "128MB",
    min_wal_size: "32MB",
    // The WAL since the last checkpoint is replayed on a start after a crash. CHECKPOINT_SEGMENTS
    // bounds it, and not this time.
    checkpoint_timeout: "1h",
  }),
];

/** How much WAL may pile up before a checkpoint, in segments of 16 MiB. */
export const CHECKPOINT_SEGMENTS = 3;

function settings(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
