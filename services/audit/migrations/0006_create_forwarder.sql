-- How far each forwarder has come: everything before `position` was taken by its receiver.

CREATE TABLE IF NOT EXISTS audit.forwarder (
    name     text   PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 100),
    position bigint NOT NULL CHECK (position >= 0)
);

REVOKE ALL ON TABLE audit.forwarder FROM PUBLIC;
GRANT SELECT ON audit.forwarder TO svc_audit;
