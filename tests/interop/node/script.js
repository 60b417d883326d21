// What a script and its test say to each other: words in lines of JSON, out what happened, in what to do next.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";

export const { port, token, ca: caPath } = JSON.parse(process.argv[2]);
export const ca = readFileSync(caPath);
export const subscription = { topics: ["vm.#"] };

export function tell(word, value) {
  process.stdout.write(JSON.stringify({ [word]: value }) + "\n");
}

// Each line of the test's names one of these functions; "end" is the last.
export function obey(functions) {
  createInterface({ input: process.stdin }).on("line", async (line) => {
    if (line === "end") process.exit(0);
    try {
      await functions[line]();
    } catch (error) {
      tell("failed", String(error.stack ?? error));
    }
  });
}

export const listing = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "VM.list", params: {} });

export function tellList(body) {
  tell("vms", JSON.parse(body).result.items.map((each) => each.id));
}
