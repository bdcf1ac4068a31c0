// Asks for jobs and reads what comes of them, with amqplib: `node start-job.mjs REQUEST.json`.
//
// The request was written down, with its requestId, before anything is sent: as long as no confirm has come, the
// same one is sent again. Ends with 0 if all its jobs are Successful, with 1 if not, with 4 without the broker.
// TypeScript checks it as it is.
// @ts-check

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import amqp from "amqplib";

const BROKER = process.env.JOBRELAY_AMQP_URL ?? "amqp://guest:guest@localhost/";
const PREFIX = process.env.JOBRELAY_PREFIX ?? "jobrelay";
const USER = decodeURIComponent(new URL(BROKER).username);
const QUEUE = process.env.EVENTS_QUEUE ?? "my-service.jobrelay-events";
const CONFIRM_WITHIN_MS = 10_000;
const TRIES = 30;
const AWAY = "check JOBRELAY_AMQP_URL, and run this again with the same file: its requestId starts nothing twice";
const REFUSED = "check JOBRELAY_PREFIX, that a worker was started with it, and the rights of this user";

class Away extends Error {}
class Refused extends Error {}

/**
 * Returns when the broker has the request. It may have it twice then, which starts nothing twice.
 * @param {{requestId: string}} request
 */
async function publish(request) {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    try {
      return await publishOnce(request);
    } catch (lost) {
      if (lost instanceof Refused) throw lost;
      console.error(`no confirm (${lost}): the same request is sent again`);
      await sleep(1000);
    }
  }
  throw new Away(`no confirm in ${TRIES} tries`);
}

/** @param {{requestId: string}} request */
async function publishOnce(request) {
  const connection = await amqp.connect(BROKER, { timeout: CONFIRM_WITHIN_MS });
  try {
    await /** @type {Promise<void>} */ (
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error("no confirm in time")), CONFIRM_WITHIN_MS);
        connection.on("error", reject);
        connection.on("close", () => reject(new Error("the connection is lost")));
        confirmed(connection, request).then(resolve, reject).finally(() => clearTimeout(timer));
      })
    );
  } finally {
    connection.close().catch(() => {});
  }
}

/**
 * @param {amqp.ChannelModel} connection
 * @param {{requestId: string}} request
 */
async function confirmed(connection, request) {
  const channel = await connection.createConfirmChannel();
  let returned = false;
  channel.on("error", () => {}); // the confirm fails with it
  channel.on("return", () => { returned = true; }); // comes before the confirm: there is no queue for it
  channel.publish(`${PREFIX}.requests`, "job.start", Buffer.from(JSON.stringify(request)), {
    contentType: "application/json",
    persistent: true,
    mandatory: true,
    correlationId: request.requestId,
    messageId: request.requestId,
    userId: USER || undefined, // the broker checks it: a deployment may have rules on who may start what
    headers: process.env.TRACEPARENT ? { traceparent: process.env.TRACEPARENT } : {},
  });
  await channel.waitForConfirms();
  if (returned) throw new Refused("the request came back: there is no queue for it");
}

/**
 * Shows the events of the request until its last job has ended; whether all of them are Successful.
 * @param {amqp.Channel} channel
 * @param {string} requestId
 * @returns {Promise<boolean>}
 */
function follow(channel, requestId) {
  const seen = new Set();
  const running = new Set();
  let well = true;
  let ended = false;
  return new Promise((resolve, reject) => {
    channel.consume(QUEUE, (message) => {
      if (message === null) return reject(new Refused("the queue is gone"));
      if (ended) return; // not acknowledged: it is for the next reader
      const event = JSON.parse(message.content.toString("utf8"));
      const { routingKey: key } = message.fields;
      const { data } = event;
      if (data.requestId === requestId && !seen.has(event.id)) {
        seen.add(event.id); // an event may come twice: its id is always the same
        console.log(message.properties.headers?.cloudEvents_time, key, JSON.stringify(event));
        if (key === "job.created") running.add(data.job.key);
        if (key === "job.tracking-expired" || (key.startsWith("job.state.") && data.terminal)) {
          running.delete(data.job.key);
          well &&= key === "job.state.successful";
        }
      }
      channel.ack(message); // when what it means has been written down
      if (data.requestId === requestId && over(key, running)) {
        ended = true;
        resolve(well && key !== "request.rejected" && key !== "request.cancelled");
      }
    }).catch(reject);
  });
}

/**
 * Whether an event is the last one: all job.created of a request come before the first job.state.
 * @param {string} key
 * @param {Set<string>} running
 */
function over(key, running) {
  if (key === "request.duplicate") return running.size === 0; // an earlier run asked, and has read its events
  return key === "request.rejected" || key === "request.cancelled" || (key.startsWith("job.") && running.size === 0);
}

/**
 * Whether all jobs of the request ended well.
 * @param {{requestId: string}} request
 * @returns {Promise<boolean>}
 */
async function run(request) {
  const connection = await amqp.connect(BROKER).catch((lost) => { throw new Away(lost.message || lost.code); });
  const lost = new Promise((_, reject) => {
    connection.on("error", (error) => reject(new Away(error.message)));
    connection.on("close", () => reject(new Away("the connection is lost")));
  });
  try {
    return await Promise.race([lost, asked(connection, request)]);
  } finally {
    await connection.close().catch(() => {}); // it may be gone already
  }
}

/**
 * @param {amqp.ChannelModel} connection
 * @param {{requestId: string}} request
 */
async function asked(connection, request) {
  const channel = await connection.createChannel();
  channel.on("error", () => {}); // the call that is under way fails with it
  await channel.prefetch(50);
  // Durable, and there before the request is sent: what is told while nobody reads is kept.
  await channel.assertQueue(QUEUE, { durable: true, arguments: { "x-queue-type": "quorum" } });
  for (const key of ["job.#", "request.#"]) await channel.bindQueue(QUEUE, `${PREFIX}.events`, key);
  await publish(request);
  return await follow(channel, request.requestId);
}

const request = JSON.parse(readFileSync(process.argv[2], "utf8"));
try {
  process.exitCode = (await run(request)) ? 0 : 1;
} catch (error) {
  const { message, code } = /** @type {Error & {code?: number}} */ (error);
  const [said, todo] = error instanceof Away ? ["no connection to the broker", AWAY] : ["the broker refuses it", REFUSED];
  if (!(error instanceof Away || error instanceof Refused || code)) throw error;
  console.error(`error: ${said} (${message}); ${todo}`);
  process.exitCode = error instanceof Away ? 4 : 1;
}
