import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { normalizePassword, scramVerifier, verifies } from "../../src/postgres/scram.ts";

// The exchange of RFC 7677 §3: user "user", password "pencil".
const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const exchange = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${nonce}`;
const clientProof = Buffer.from("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "base64");
const serverSignature = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

const pencil =
  "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

const hmac = (key: Buffer): Buffer => createHmac("sha256", key).update(exchange).digest();

describe("a verifier", () => {
  test("has the form that PostgreSQL stores", () => {
    expect(scramVerifier("pencil", { salt })).toBe(pencil);
  });

  test("accepts the client of RFC 7677 and answers it as the server there does", () => {
    const [, storedKey = "", serverKey = ""] = /\$([^$:]+):([^:]+)$/.exec(scramVerifier("pencil", { salt })) ?? [];
    const stored = Buffer.from(storedKey, "base64");
    const clientKey = hmac(stored).map((byte, index) => byte ^ (clientProof[index] ?? 0));
    expect(createHash("sha256").update(clientKey).digest()).toEqual(stored);
    expect(hmac(Buffer.from(serverKey, "base64")).toString("base64")).toBe(serverSignature);
  });

  test("has a salt of its own each time", () => {
    expect(scramVerifier("pencil")).not.toBe(scramVerifier("pencil"));
  });

  test.each([
    { password: "pencil", because: "plain ASCII" },
    { password: "paß:wört\\ 'x\"$", because: "what would need quoting elsewhere" },
    { password: "I\u00adX", because: "a character that SASLprep drops" },
    { password: "a\u00a0b", because: "a space that SASLprep replaces" },
  ])("verifies its own password and no other: $because", ({ password }) => {
    const verifier = scramVerifier(password);
    expect(verifies(verifier, password)).toBe(true);
    expect(verifies(verifier, `${password}x`)).toBe(false);
  });

  test.each([
    { verifier: pencil.replace("WG5d", "WG5e"), because: "its StoredKey is another's" },
    { verifier: pencil.replace(":wfPL", ":wfPM"), because: "its ServerKey is another's" },
    { verifier: pencil.replace("4096", "4095"), because: "it has another number of iterations" },
    { verifier: pencil.replace("4096", "0"), because: "no iterations are no derivation" },
    { verifier: "md5a3556571e93b0d20722ba62be61e8c2d", because: "it is an MD5 hash" },
    { verifier: "pencil", because: "it is the password itself" },
    { verifier: "", because: "it is empty" },
    { verifier: "SCRAM-SHA-256$4096:$:", because: "its parts are empty" },
  ])("does not verify the password: $because", ({ verifier }) => {
    expect(verifies(verifier, "pencil")).toBe(false);
  });
});

// RFC 4013 §3 and PostgreSQL's src/common/saslprep.c.
test.each([
  { password: "user", normalized: "user", because: "ASCII is left alone" },
  { password: "I\u00adX", normalized: "IX", because: "a soft hyphen is mapped to nothing" },
  { password: "\u00aa", normalized: "a", because: "NFKC" },
  { password: "\u2168", normalized: "IX", because: "NFKC of a Roman numeral" },
  { password: "a\u3000b", normalized: "a b", because: "an ideographic space is a space" },
  { password: "a\u200bb", normalized: "a b", because: "PostgreSQL takes U+200B for a space before it could vanish" },
  { password: "\u00ad", normalized: "\u00ad", because: "nothing would be left: taken as it is" },
  {
    password: "\u2168\u0007",
    normalized: "\u2168\u0007",
    because: "a control character is prohibited: taken as it is",
  },
  { password: "\u2168\ue000", normalized: "\u2168\ue000", because: "private use is prohibited: taken as it is" },
])("a password is normalized as PostgreSQL does it: $because", ({ password, normalized }) => {
  expect(normalizePassword(password)).toBe(normalized);
});
