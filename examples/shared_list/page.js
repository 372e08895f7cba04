/** A list in a stream of changes: a TanStack DB collection holds its state, and live queries show it. */
import { DurableStream } from "@durable-streams/client";
import { createStateSchema } from "@durable-streams/state";
import { createStreamDB } from "@durable-streams/state/db";
import { createLiveQueryCollection, eq } from "@tanstack/db";

/** Any Standard Schema will do; zod's are such. */
const item = {
  "~standard": {
    version: 1,
    vendor: "example",
    validate: (value) =>
      typeof value?.title === "string"
        ? { value }
        : { issues: [{ message: "an item has a title" }] },
  },
};
const state = createStateSchema({ items: { schema: item, type: "item", primaryKey: "id" } });

const contentType = "application/json";
const stream = new DurableStream({ url: STREAM_URL, contentType });
await stream.create({ contentType }).catch(({ status }) => status); // another page has created it
const database = createStreamDB({
  streamOptions: { url: STREAM_URL, contentType },
  live: "long-poll",
  state,
});
await database.preload();

const change = (event) => stream.append(JSON.stringify(event));
const { items } = database.collections;
const sorted = createLiveQueryCollection({
  startSync: true,
  query: (q) => q.from({ item: items }).orderBy(({ item }) => item.title),
});
const left = createLiveQueryCollection({
  startSync: true,
  query: (q) => q.from({ item: items }).where(({ item }) => eq(item.done, false)),
});

function show() {
  document.querySelector("ul").replaceChildren(...sorted.toArray.map((value) => {
    const box = Object.assign(document.createElement("input"), {
      type: "checkbox",
      checked: value.done,
      onchange: () => change(state.items.update({ value: { ...value, done: box.checked } })),
    });
    const label = document.createElement("label");
    label.append(box, " ", value.title);
    const row = document.createElement("li");
    row.append(label);
    return row;
  }));
  document.getElementById("left").textContent = `${left.size} of ${sorted.size} left`;
}
sorted.subscribeChanges(show);
left.subscribeChanges(show);
show();

document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const value = { id: crypto.randomUUID(), title: form.elements.title.value, done: false };
  await change(state.items.insert({ value }));
  form.reset();
});
