// An authenticator app: reads the QR code from the screen, and shows the codes of RFC 6238.
import { createHmac } from "node:crypto";

import jsQR from "jsqr";
import { PNG } from "pngjs";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const PERIOD_S = 30;

export const scanned = (png) => {
  const { data, width, height } = PNG.sync.read(png);
  const found = (jsQR.default ?? jsQR)(new Uint8ClampedArray(data), width, height);
  if (!found) throw new Error("there is no QR code in the picture");
  return new URL(found.data);
};

const octets = (base32) => {
  const bits = [...base32.replaceAll("=", "")].map((each) => ALPHABET.indexOf(each).toString(2).padStart(5, "0")).join("");
  return Buffer.from(bits.match(/.{8}/g).map((each) => Number.parseInt(each, 2)));
};

export const code = (secret, steps = 0) => {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000 / PERIOD_S) + steps));
  const digest = createHmac("sha1", octets(secret)).update(counter).digest();
  const truncated = digest.readUInt32BE(digest.at(-1) & 0xf) & 0x7fffffff;
  return String(truncated % 1_000_000).padStart(6, "0");
};
