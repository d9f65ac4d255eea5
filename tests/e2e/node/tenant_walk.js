// A tenant's program with the official SDK as it is published. Prints what it saw as one JSON object.
// Usage: node tenant_walk.js <gateway> <client> <secret> <tenant>
"use strict";
const { createRequire } = require("node:module");
const fromClients = createRequire(`${process.env.NODE_CLIENTS}/`);
const { MindSphereSdk } = fromClients("@mindconnect/mindconnect-nodejs");

const [gateway, client, secret, tenant] = process.argv.slice(2);
const basicAuth = "Basic " + Buffer.from(`${client}:${secret}`).toString("base64");
const sdk = new MindSphereSdk({ gateway, basicAuth, tenant });
const seen = {};

const ENVIRONMENT = {
  name: "Environment", category: "dynamic", scope: "private",
  variables: [
    { name: "temperature", dataType: "DOUBLE", unit: "C", searchable: true, length: null, qualityCode: true },
    { name: "rpm", dataType: "INT", unit: "1/min", searchable: true, length: null, qualityCode: false },
  ],
};

async function refusal(promise) {
  return promise.then(() => "nothing", (error) => String(error.message));
}

async function model() {
  const assets = sdk.GetAssetManagementClient();
  seen.billboard = Object.keys(await assets.GetBillboard()).length > 0;
  const aspect = await assets.PutAspectType(`${tenant}.Environment`, ENVIRONMENT, { ifNoneMatch: "*" });
  seen.aspectType = aspect.id;
  seen.aspectTypeAgain = await refusal(
    assets.PutAspectType(`${tenant}.Environment`, ENVIRONMENT, { ifNoneMatch: "*" }));
  const type = {
    name: "Pump", parentTypeId: "core.basicasset", instantiable: true, scope: "private",
    aspects: [{ name: "Environment", aspectTypeId: aspect.id }], variables: [], fileAssignments: [],
  };
  seen.assetType = (await assets.PutAssetType(`${tenant}.Pump`, type, { ifNoneMatch: "*" })).id;
  const root = await assets.GetRootAsset();
  const made = await assets.PostAsset({ name: "Pump 1", typeId: `${tenant}.Pump`, parentId: root.assetId });
  const id = made.assetId;
  let asset = await assets.PatchAsset(id, { description: "patched" }, { ifMatch: `${made.etag}` });
  seen.patched = asset.description;
  const place = { country: "Austria", latitude: 48.2, longitude: 16.4 };
  asset = await assets.PutAssetLocation(id, place, { ifMatch: `${asset.etag}` });
  seen.place = asset.location.country;
  asset = await assets.DeleteAssetLocation(id, { ifMatch: `${asset.etag}` });
  seen.placeAfter = asset.location;
  seen.stale = await refusal(assets.PatchAsset(id, { description: "late" }, { ifMatch: "0" }));
  const filter = JSON.stringify({ name: { startsWith: "Pump" } });
  const list = await assets.GetAssets({ page: 0, size: 100, sort: "name,asc", filter });
  seen.listed = list._embedded.assets.map((each) => each.name);
  const beyond = await assets.GetAssets({ page: 1, size: 100, sort: "name,asc", filter });
  seen.beyond = [beyond.page.number, (beyond._embedded || { assets: [] }).assets.length];
  seen.aspects = (await assets.GetAspects(id))._embedded.aspects.map((each) => each.name);
  seen.lock = (await assets.PutModelLock({ enabled: false })).enabled;
  const file = await assets.PostFile(Buffer.from("a picture"), "pump.txt", { mimeType: "text/plain" });
  seen.modelFile = await (await assets.DownloadFile(file.id)).text();
  return id;
}

async function series(id) {
  const records = [0, 1, 2].map((second) => ({
    _time: `2026-01-01T00:00:0${second}.000Z`, rpm: 100 * second,
    temperature: `${20 + second}.5`, temperature_qc: "0",
  }));
  const series = sdk.GetTimeSeriesClient();
  await series.PutTimeSeries(id, "Environment", records);
  const from = new Date("2025-12-31T23:59:59Z"), to = new Date("2026-01-01T01:00:00Z");
  seen.records = await series.GetTimeSeries(id, "Environment", { from, to });
  const page = await series.GetTimeSeriesBulkStyle(id, "Environment", { from, to, limit: 2 });
  seen.firstPage = page.records.length;
  const next = await series.GetNextRecordsBulkStyle(page.nextRecord);
  seen.nextPage = next.records.map((record) => record._time);
  const aggregates = await sdk.GetTimeSeriesAggregateClientV4().GetAggregates({
    assetId: id, aspectName: "Environment",
    from: "2026-01-01T00:00:00.000Z", to: "2026-01-01T01:00:00.000Z",
    intervalUnit: "hour", intervalValue: 1,
  });
  const hour = aggregates.aggregates[0];
  seen.hour = [hour.temperature.countgood, hour.temperature.maxvalue, hour.rpm.sum];
  await series.DeleteTimeSeries(id, "Environment", from, new Date("2026-01-01T00:00:01Z"));
  seen.left = (await series.GetTimeSeries(id, "Environment", { from, to })).map((record) => record._time);
  seen.unknownVariable = await refusal(
    series.PutTimeSeries(id, "Environment", [{ _time: "2026-01-01T00:00:00Z", humidity: 1 }]));
}

async function files(id) {
  const files = sdk.GetIoTFileClient();
  await files.PutFile(id, "logs/a b.txt", Buffer.from("small"), { type: "text/plain", description: "note" });
  seen.fileText = await (await files.GetFile(id, "logs/a b.txt")).text();
  seen.fileRange = await (await files.GetFile(id, "logs/a b.txt", { range: "bytes=0-1" })).text();
  const large = Buffer.alloc(17 * 1024 * 1024, "0123456789abcdef");
  const inParts = { chunk: true, retry: 1, type: "application/octet-stream" };
  await files.UploadFile(id, "logs/large.bin", large, inParts);
  const listed = await files.GetFiles(id, { filter: "path eq logs/", order: "name asc" });
  seen.files = listed.map((file) => [file.name, file.size, file.etag]);
  const back = Buffer.from(await (await files.GetFile(id, "logs/large.bin")).arrayBuffer());
  seen.largeEqual = back.equals(large);
  await files.DeleteFile(id, "logs/a b.txt");
  seen.filesLeft = (await files.GetFiles(id)).map((file) => file.name);
}

async function events(id) {
  const events = sdk.GetEventManagementClient();
  const made = await events.PostEvent({
    entityId: id, timestamp: new Date().toISOString(), severity: 20, description: "hot", code: "E1",
    source: "pump", sourceType: "Agent", sourceId: "x", acknowledged: false,
  });
  const changed = { ...made, acknowledged: true };
  delete changed._links;
  seen.acknowledged = (await events.PutEvent(made.id, changed, { ifMatch: made.etag })).acknowledged;
  const list = await events.GetEvents({ filter: JSON.stringify({ entityId: id }), sort: "timestamp,desc" });
  seen.events = list._embedded.events.map((event) => event.description);
  seen.standardType = (await events.GetEventType(
    "com.siemens.mindsphere.eventmgmt.event.type.MindSphereStandardEvent")).scope;
}

async function tenancy() {
  const tenants = sdk.GetTenantManagementClient();
  seen.tenant = (await tenants.GetTenantInfo()).name;
  seen.regions = (await tenants.GetLegalConfigRegions()).regions;
  const child = await tenants.PostSubtenant({ id: "north", displayName: "North", description: "the north" });
  seen.subtenant = child.id;
  const page = await tenants.GetSubtenants({ page: 0, size: 10 });
  seen.subtenants = [page.content.length, page.last];
  await tenants.DeleteSubtenant(child.id);
}

async function main() {
  const id = await model();
  await series(id);
  await files(id);
  await events(id);
  await tenancy();
  const assets = sdk.GetAssetManagementClient();
  await assets.DeleteAsset(id, { ifMatch: `${(await assets.GetAsset(id)).etag}` });
  seen.gone = await refusal(assets.GetAsset(id));
  process.stdout.write(JSON.stringify(seen));
}

main().catch((error) => {
  process.stderr.write(`${JSON.stringify(seen)}\n${error.stack}\n`);
  process.exitCode = 1;
});
