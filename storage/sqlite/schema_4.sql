-- What is erased for good, by shard (design 4.16). An order stays for ever, so that nothing of it comes back.

CREATE TABLE erased (
    shard INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    asset TEXT NOT NULL,  -- empty: all that the tenant has
    done INTEGER NOT NULL,  -- 1 once all of it is gone from the shard
    PRIMARY KEY (shard, tenant, asset)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 4;
