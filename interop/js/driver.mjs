// Runs one node of @chainsafe/discv5 and obeys commands: one JSON object per line on standard input, and for each an
// answer on standard output. The protocol is described in ../doc.go, for all drivers alike.

import { createInterface } from "node:readline";
import { Discv5 } from "@chainsafe/discv5";
import { ENR, SignableENR } from "@chainsafe/enr";
import { privateKeyFromRaw } from "@libp2p/crypto/keys";
import { multiaddr } from "@multiformats/multiaddr";

// How many nodes a lookup returns. The library takes them in no order of distance, so that the default of 16 leaves out
// some that are close when there are more; this is above the size of any network here.
const lookupNumResults = 64;

// The TALK protocol that is answered with its own payload. All others are answered empty.
const echo = "echo";

let node;

const commands = {
  async start({ key, addr, timeout = 2000, record }) {
    const privateKey = privateKeyFromRaw(Buffer.from(key, "hex"));
    const { ip, family, port } = parseAddr(addr);
    let enr;
    if (record) {
      enr = SignableENR.decodeTxt(record, privateKey.raw);
    } else {
      enr = SignableENR.createFromPrivateKey(privateKey);
      enr.setLocationMultiaddr(multiaddr(`/${family}/${ip}/udp/${port}`));
    }
    const starting = Discv5.create({
      enr,
      privateKey,
      bindAddrs: { [family]: multiaddr(`/${family}/${ip}/udp/${port}`) },
      config: { requestTimeout: timeout, lookupNumResults },
    });
    starting.on("talkReqReceived", (from, _, request) => {
      const known = Buffer.from(request.protocol).toString() === echo;
      starting.sendTalkResp(from, request.id, known ? request.request : new Uint8Array());
    });
    await starting.start();
    node = starting;
    return commands.record();
  },

  record: () => ({ record: node.enr.encodeTxt() }),

  update({ field, value }) {
    node.enr.set(field, Buffer.from(value));
    return commands.record();
  },

  add({ record }) {
    const enr = ENR.decodeTxt(record);
    node.addEnr(enr);
    if (!node.getKadValue(enr.nodeId)) throw new Error("not taken into the table");
    return {};
  },

  table: () => records(node.kadValues()),

  async ping({ record }) {
    const pong = await node.sendPing(ENR.decodeTxt(record));
    return { seq: Number(pong.enrSeq), endpoint: formatAddr(pong.addr) };
  },

  findnode: async ({ record, distances }) => records(await node.sendFindNode(ENR.decodeTxt(record), distances)),

  async talk({ record, protocol, payload }) {
    const answer = await node.sendTalkReq(ENR.decodeTxt(record), Buffer.from(payload, "hex"), Buffer.from(protocol));
    return { payload: Buffer.from(answer).toString("hex") };
  },

  lookup: async ({ target }) => records(await node.findNode(target)),
};

function records(list) {
  return { records: list.map((enr) => enr.encodeTxt()) };
}

// parseAddr splits "127.0.0.1:9000" or "[::1]:9000".
function parseAddr(s) {
  const [, v6, v4, port] = /^(?:\[(.+)\]|(.+)):(\d+)$/.exec(s);
  return { ip: v6 ?? v4, family: v6 ? "ip6" : "ip4", port };
}

// formatAddr is the opposite, without the short form of zeros that IPv6 has.
function formatAddr({ ip, port }) {
  if (ip.type === 4) return `${Array.from(ip.octets).join(".")}:${port}`;
  const hex = Buffer.from(ip.octets).toString("hex");
  return `[${hex.match(/.{4}/g).join(":")}]:${port}`;
}

// print writes one answer.
function print(id, answer) {
  process.stdout.write(JSON.stringify({ ...answer, id }) + "\n");
}

async function obey({ id, cmd, ...parameters }) {
  try {
    if (!Object.hasOwn(commands, cmd)) throw new Error(`unknown command ${JSON.stringify(cmd)}`);
    if (!node !== (cmd === "start")) throw new Error(node ? "a node has been started already" : "no node has been started");
    print(id, await commands[cmd](parameters));
  } catch (e) {
    print(id, { error: [e.message, e.code].filter(Boolean).join(": ") });
  }
}

const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
for await (const line of lines) {
  let command;
  try {
    command = JSON.parse(line);
  } catch (e) {
    print(null, { error: `not JSON: ${e.message}` });
    continue;
  }
  if (command.cmd === "exit") {
    print(command.id, {});
    break;
  }
  obey(command); // several may be under way
}
process.exit(0);
