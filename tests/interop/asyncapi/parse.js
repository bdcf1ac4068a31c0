// Reads an AsyncAPI document with AsyncAPI's own parser, and prints what it finds: node parse.js FILE
"use strict";

const { Parser, fromFile } = require("@asyncapi/parser");

async function main(file) {
  const { document, diagnostics } = await fromFile(new Parser(), file).parse();
  const messages = document?.allMessages().all() ?? [];
  console.log(JSON.stringify({
    diagnostics: diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path })),
    operations: document?.allOperations().all().map((one) => [one.id(), one.action()]),
    messages: messages.map((one) => ({ name: one.name(), payload: one.hasPayload() && one.payload().json() })),
  }));
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
