// A client in another language: publishes the request given on stdin and prints each of its events as a line.
// usage: node client.js PREFIX < request.json, with JOBRELAY_AMQP_URL; exits 0 after the job's last event.
"use strict";

const { readFileSync } = require("node:fs");
const amqp = require("amqplib");

const WITHIN_MS = 20_000;

async function main(prefix, request) {
  const connection = await amqp.connect(process.env.JOBRELAY_AMQP_URL);
  const channel = await connection.createConfirmChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, `${prefix}.events`, "#");
  const ended = new Promise((resolve) => {
    channel.consume(queue, (message) => {
      const { properties, fields, content } = message;
      if (properties.correlationId !== "from-node") return;
      const event = JSON.parse(content.toString("utf8"));
      const { contentType, headers } = properties;
      console.log(JSON.stringify({ key: fields.routingKey, contentType, headers, event }));
      if (event.data.terminal || event.data.code) resolve();
    }, { noAck: true });
  });
  channel.publish(`${prefix}.requests`, "job.start", Buffer.from(JSON.stringify(request), "utf8"), {
    contentType: "application/json",
    correlationId: "from-node",
    messageId: "node-1",
    persistent: true,
    mandatory: true,
    headers: { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" },
  });
  await channel.waitForConfirms();
  await ended;
  await connection.close();
}

setTimeout(() => {
  console.error(`no end within ${WITHIN_MS / 1000} s`);
  process.exit(1);
}, WITHIN_MS).unref();

main(process.argv[2], JSON.parse(readFileSync(0, "utf8"))).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
