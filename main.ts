/** The program: hands its command line over. */
import process from "node:process";
import { run } from "./src/cli/run.ts";

if (import.meta.main) await run(process.argv.slice(2));
