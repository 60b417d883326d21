// What a page does with the browser's own WebSocket; the test calls these functions in the page.
"use strict";

class Session {
  constructor(url, protocols) {
    this.events = [];
    this.watchers = [];
    this.resume = null;
    this.waiting = new Map();
    this.next = 1;
    this.socket = new WebSocket(url, protocols);
    this.opened = new Promise((done, fail) => {
      this.socket.onopen = () => done(this.socket.protocol);
      this.socket.onclose = (event) => fail(new Error(`closed: ${event.code}`));
    });
    this.closed = new Promise((done) => this.socket.addEventListener("close", (event) => done(event.code)));
    this.socket.onmessage = (message) => this.take(JSON.parse(message.data));
  }

  take(message) {
    if (message.method === "Event.deliver") {
      this.resume = message.params.resume;
      this.events.push(message.params);
      for (const [isIt, done] of this.watchers) if (isIt(message.params)) done();
      return;
    }
    const [done, fail] = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.error) fail(new Error(message.error.data.error));
    else done(message.result);
  }

  call(method, params = {}) {
    const id = this.next++;
    return new Promise((done, fail) => {
      this.waiting.set(id, [done, fail]);
      this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  // Without a timer: those of a page in the background hardly run.
  seen(isIt) {
    if (this.events.some(isIt)) return Promise.resolve();
    return new Promise((done) => this.watchers.push([isIt, done]));
  }
}

const isNow = (id, state) => (each) => each.event && each.event.object.id === id && JSON.stringify(each.event).includes(`"state":"${state}"`);

// The daemon asks for a client certificate, which may be declined. Chromium asks its user for pages and requests, never for a
// WebSocket: the answer must be known from before, as it is where the page comes from the daemon itself.
async function visit(url) {
  await fetch(url.replace("wss:", "https:"), { mode: "no-cors" });
}

// Log in by the first message, list, follow, start a VM and see it run, then let the line drop.
async function first(url, token, id) {
  await visit(url);
  const session = new Session(url, ["jsonrpc"]);
  const protocol = await session.opened;
  let refused = null;
  await session.call("VM.list").catch((error) => { refused = error.message; });
  const identity = (await session.call("Identity.login", { token })).identity;
  const vms = (await session.call("VM.list")).items.map((each) => each.id);
  const { resume } = await session.call("Event.subscribe", { topics: ["vm.#"] });
  session.resume = resume;
  await session.call("VM.start", { vmId: id });
  await session.seen(isNow(id, "running"));
  session.socket.close(1000, "enough");
  return { protocol, refused, identity, vms, began: resume, resume: session.resume, events: session.events, code: await session.closed };
}

// Come back, known by the token beside the sub-protocols, and follow on from where the line dropped.
async function again(url, token, after, id, state) {
  const session = new Session(url, ["jsonrpc", "bearer." + token]);
  const protocol = await session.opened;
  await session.call("Event.subscribe", { topics: ["vm.#"], after });
  await session.seen(isNow(id, state));
  session.socket.close();
  return { protocol, events: session.events, code: await session.closed };
}

// A page that may not call: the handshake fails, and no more is told.
async function refused(url) {
  await visit(url);
  const socket = new WebSocket(url, ["jsonrpc"]);
  return new Promise((done) => { socket.onopen = () => done("open"); socket.onclose = (event) => done(event.code); });
}
