-- Answers that are kept for a day, so that a request which is sent again with its key is answered again and not done
-- again (draft-ietf-httpapi-idempotency-key-header). No status: the request is being answered. A status without content:
-- it was done, and its answer holds a secret or is too long to be kept.

CREATE TABLE IF NOT EXISTS gateway.answer (
    account_key bigint      NOT NULL,
    credential  text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,
    attempt     uuid        NOT NULL,
    begun_at    timestamptz NOT NULL DEFAULT now(),
    status      smallint,
    content     bytea,
    PRIMARY KEY (account_key, credential, key)
);

CREATE INDEX IF NOT EXISTS answer_begun_at ON gateway.answer (begun_at);

GRANT USAGE ON SCHEMA gateway TO svc_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.answer TO svc_gateway;
