/** The options of the listeners and of what they let in: limits, certificates, the admin port. */

export const EDGE_OPTIONS = {
  rate: {
    flag: "rate",
    environment: "PENSTOCK_RATE",
    value: "rates",
    fallback: "",
    help:
      "What a principal, and an address where there is none, may do in a second or a minute, such as append=1000/s,bytes=10MiB/s,create=50/s,read=6000/m. bytes are those of bodies. Beyond it: 429. Each node counts by itself.",
  },
  quota: {
    flag: "quota",
    environment: "PENSTOCK_QUOTA",
    value: "quotas",
    fallback: "",
    help:
      "How much every namespace may hold, such as streams=1000,bytes=10GiB, and behind a semicolon what others may that are named: 'streams=1000; acme: bytes=1TiB'. Beyond it: 403 QUOTA_EXCEEDED. Nodes count every few seconds what others have added. Tokens without a namespace are not bounded.",
  },
  maxLivePerPrincipal: {
    flag: "max-live-per-principal",
    environment: "PENSTOCK_MAX_LIVE_PER_PRINCIPAL",
    value: "number",
    fallback: "",
    help:
      "Long-polls and SSE connections that a principal, or an address where there is none, may have at once on each node. Further ones get 429. By default only --max-followers counts.",
  },
  trustedProxies: {
    flag: "trusted-proxies",
    environment: "PENSTOCK_TRUSTED_PROXIES",
    value: "networks",
    fallback: "",
    help:
      "Addresses and networks of proxies, with commas between, such as 127.0.0.1,10.0.0.0/8. Only from them X-Forwarded-For says where a request comes from.",
  },
  tlsCert: {
    flag: "tls-cert",
    environment: "PENSTOCK_TLS_CERT",
    value: "file",
    fallback: "",
    help:
      "A PEM file with the certificate to serve by, and those between it and a known authority. With --tls-key the server speaks HTTPS, TLS 1.2 and newer; on Deno also HTTP/2. SIGHUP reads both files again.",
  },
  tlsKey: {
    flag: "tls-key",
    environment: "PENSTOCK_TLS_KEY",
    value: "file",
    fallback: "",
    help: "A PEM file with the key of --tls-cert, without a passphrase.",
  },
  adminPort: {
    flag: "admin-port",
    environment: "PENSTOCK_ADMIN_PORT",
    value: "number",
    fallback: "",
    help:
      "A port for what operators ask for, by plain HTTP: health, metrics, and the routes of tokens, of the node and of signing keys. They leave the public port. Worker N of --workers listens on this port + N - 1. By default they are on --port.",
  },
  adminHost: {
    flag: "admin-host",
    environment: "PENSTOCK_ADMIN_HOST",
    value: "address",
    fallback: "127.0.0.1",
    help:
      "The address of --admin-port. One that other machines can reach needs access control or --allow-anonymous.",
  },
} as const;
