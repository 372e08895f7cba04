/** The certificate of a server, from the files that the operator names. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

export interface CertificateFiles {
  /** PEM: the server's certificate, and those that lead to a known authority. */
  readonly certFile: string;
  /** PEM, without a passphrase. */
  readonly keyFile: string;
}

/** Both as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** @throws Error with a sentence for the operator, which does not hold the key */
export function readCertificate({ certFile, keyFile }: CertificateFiles): Certificate {
  const cert = read(certFile);
  const key = read(keyFile);
  let fits: boolean;
  try {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    throw new Error(
      `${certFile} or ${keyFile} is not PEM: a certificate, and a key without passphrase`,
    );
  }
  if (!fits) throw new Error(`${keyFile} is not the key of the certificate in ${certFile}`);
  return { cert, key };
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new Error(`${file} cannot be read`, { cause });
  }
}
