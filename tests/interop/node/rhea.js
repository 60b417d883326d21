// rhea: AMQP 1.0 over TLS, known by SASL PLAIN.
import rhea from "rhea";
import { ca, listing, obey, port, tell, tellList, token } from "./script.js";

let container, connection, resume;

const text = (body) => (body.content ?? body).toString();

function connect(password) {
  container = rhea.create_container();
  const opened = new Promise((done) => container.once("connection_open", done));
  container.on("connection_error", (context) => tell("refused", String(context.connection.get_error("condition"))));
  container.on("error", (error) => tell("refused", error.condition ?? String(error)));
  container.on("disconnected", (context) => context.error && tell("refused", context.error.condition ?? String(context.error)));
  container.on("receiver_error", (context) => tell("failed", String(context.receiver.error)));
  container.on("sender_error", (context) => tell("failed", String(context.sender.error)));
  connection = container.connect({
    host: "127.0.0.1", port, transport: "tls", ca, servername: "localhost", username: "user:alice", password, reconnect: false,
  });
  return opened;
}

function list() {
  const replies = connection.open_receiver({ source: { dynamic: true } });
  replies.once("receiver_open", () => {
    const sender = connection.open_sender("/exchange/requests");
    sender.once("sendable", () =>
      sender.send({ reply_to: replies.source.address, correlation_id: "1", content_type: "application/json", body: listing }),
    );
  });
  return new Promise((done) =>
    replies.once("message", (context) => {
      tellList(text(context.message.body));
      done();
    }),
  );
}

function follow() {
  const filter = resume ? { "vdsm:resume": rhea.types.wrap_described(resume, "vdsm:resume") } : undefined;
  const receiver = connection.open_receiver({ source: { address: "/topic/vm.#", filter } });
  receiver.on("message", (context) => {
    resume = context.message.message_annotations["x-opt-vdsm-resume"];
    tell("event", JSON.parse(text(context.message.body)));
  });
  return new Promise((done) => receiver.once("receiver_open", done));
}

obey({
  stranger: () => connect("vdsm-nobody-knows-this").then(() => tell("connected", true)),
  first: async () => {
    await connect(token);
    tell("connected", "1.0");
    await list();
    await follow();
    tell("following", true);
  },
  nowhere: () => {
    const said = ({ condition, info }) => [condition, info];
    const sender = connection.open_sender("/queue/nothing");
    container.removeAllListeners("sender_error");
    sender.once("sender_error", () => {
      tell("nowhere", said(sender.error));
      const letters = connection.open_sender({ target: {} });
      letters.once("rejected", (context) => tell("rejected", said(context.delivery.remote_state.error)));
      letters.once("sendable", () => letters.send({ to: "/queue/nothing", body: "x" }));
    });
  },
  drop: () => {
    container.removeAllListeners("disconnected");
    connection.socket.destroy();
    tell("dropped", true);
  },
  again: async () => {
    await connect(token);
    tell("back", "1.0");
    await follow();
  },
});
