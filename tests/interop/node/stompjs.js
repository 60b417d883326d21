// @stomp/stompjs over a WebSocket: what a page with that library does.
import { Client } from "@stomp/stompjs";
import WebSocket from "ws";
import { ca, listing, obey, port, tell, tellList, token } from "./script.js";

let client, socket, resume;

function connect(passcode, connected) {
  client = new Client({
    webSocketFactory: () => (socket = new WebSocket(`wss://127.0.0.1:${port}/ws`, ["v12.stomp", "v11.stomp", "v10.stomp"], { ca })),
    connectHeaders: { passcode },
    reconnectDelay: 0,
    heartbeatIncoming: 10000,
    heartbeatOutgoing: 10000,
    onConnect: connected,
    onStompError: (frame) => tell("refused", frame.headers.error),
  });
  client.activate();
}

function follow() {
  client.subscribe(
    "/topic/vm.#",
    (message) => {
      resume = message.headers.resume;
      tell("event", JSON.parse(message.body));
    },
    { ...(resume ? { resume } : {}) },
  );
}

// A receipt tells that all before it is done: what is subscribed is in force.
function mark() {
  client.watchForReceipt("marked", () => tell("following", true));
  client.publish({ destination: "/topic/interop.mark", body: "", headers: { receipt: "marked" } });
}

obey({
  stranger: () => connect("vdsm-nobody-knows-this", () => tell("connected", true)),
  first: () =>
    connect(token, (frame) => {
      tell("connected", frame.headers.version);
      client.subscribe("/temp-queue/answers", (message) => {
        tellList(message.body);
        follow();
        mark();
      });
      const headers = { "reply-to": "/temp-queue/answers", "correlation-id": "1", "content-type": "application/json" };
      client.publish({ destination: "/exchange/requests", body: listing, headers });
    }),
  drop: () => {
    socket.terminate();
    tell("dropped", true);
  },
  again: () =>
    connect(token, (frame) => {
      tell("back", frame.headers.version);
      follow();
    }),
});
