/** A text field bound to a Yjs text, which a provider keeps the same in every page. */
import { YjsProvider } from "@durable-streams/y-durable-streams";
import * as Y from "yjs";

const field = document.querySelector("textarea");
const doc = new Y.Doc();
const text = doc.getText("text");
const provider = new YjsProvider({ doc, baseUrl: YJS_URL, docId: "notes", liveMode: "sse" });

provider.on("synced", (synced) => {
  field.disabled = false;
  document.getElementById("state").textContent = synced ? "in step" : "connecting";
});

/** The length of what both begin with. */
function commonStart(a, b) {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  return at;
}

// What was typed: everything between the common start and the common end was replaced.
field.addEventListener("input", () => {
  const [before, after] = [text.toString(), field.value];
  const start = commonStart(before, after);
  const reversed = (value) => [...value.slice(start)].reverse();
  const end = commonStart(reversed(before), reversed(after));
  doc.transact(() => {
    text.delete(start, before.length - start - end);
    text.insert(start, after.slice(start, after.length - end));
  }, "typed here");
});

// What others typed; the caret stays where its neighbours are.
text.observe((event, transaction) => {
  if (transaction.origin === "typed here") return;
  let [from, to] = [field.selectionStart, field.selectionEnd];
  let at = 0;
  for (const { retain = 0, insert = "", delete: gone = 0 } of event.changes.delta) {
    at += retain;
    const moved = insert.length - gone;
    if (at < from) from = Math.max(at, from + moved);
    if (at < to) to = Math.max(at, to + moved);
    at += insert.length;
  }
  field.value = text.toString();
  field.setSelectionRange(from, to);
});
