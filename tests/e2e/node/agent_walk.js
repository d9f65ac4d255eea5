// An agent's whole life with the official SDK as it is published. Prints what it saw as one JSON object.
// Usage: node agent_walk.js <gateway> <client> <secret> <tenant> <SHARED_SECRET|RSA_3072>
"use strict";
const { createRequire } = require("node:module");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const fromClients = createRequire(`${process.env.NODE_CLIENTS}/`);
const { MindConnectAgent, MindSphereSdk } = fromClients("@mindconnect/mindconnect-nodejs");

const [gateway, client, secret, tenant, profile] = process.argv.slice(2);
const basicAuth = "Basic " + Buffer.from(`${client}:${secret}`).toString("base64");
const sdk = new MindSphereSdk({ gateway, basicAuth, tenant });
const seen = {};
const STATE = `${process.cwd()}/state/`;
const POINTS = ["true", "7", "1.5"];

async function refusal(promise) {
  return promise.then(() => "nothing", (error) => String(error.message));
}

async function makeModel() {
  const assets = sdk.GetAssetManagementClient();
  const variable = (name, dataType) =>
    ({ name, dataType, unit: "", searchable: true, length: null, qualityCode: true });
  const variables = [variable("running", "BOOLEAN"), variable("rpm", "INT"), variable("power", "DOUBLE")];
  const drive = { name: "Drive", category: "dynamic", scope: "private", variables };
  await assets.PutAspectType(`${tenant}.Drive`, drive);
  await assets.PutAssetType(`${tenant}.Motor`, {
    name: "Motor", parentTypeId: "core.basicdevice", instantiable: true, scope: "private",
    aspects: [{ name: "Drive", aspectTypeId: `${tenant}.Drive` }], variables: [], fileAssignments: [],
  });
  const root = await assets.GetRootAsset();
  const motor = await assets.PostAsset(
    { name: "Motor 1", typeId: `${tenant}.Motor`, parentId: root.assetId });
  const box = await assets.PostAsset({ name: "Gateway 1", typeId: "core.mclib", parentId: root.assetId });
  return { motor: motor.assetId, box: box.assetId };
}

async function makeAgent(box) {
  const agents = sdk.GetAgentManagementClient();
  const made = await agents.PostAgent({ name: "Gateway 1", securityProfile: profile, entityId: box });
  seen.idIsAsset = made.id === box;
  seen.statusBefore = (await agents.GetOnboardingStatus(made.id)).status;
  return agents.GetBoardingConfiguration(made.id);
}

async function board(configuration) {
  seen.profiles = configuration.content.clientCredentialProfile;
  const agent = new MindConnectAgent(configuration, undefined, STATE);
  if (profile === "RSA_3072") {
    execFileSync("openssl", ["genrsa", "-traditional", "-out", "private.key", "3072"], { stdio: "ignore" });
    agent.SetupAgentCertificate(fs.readFileSync("private.key"));
  }
  await agent.OnBoard();
  seen.onboarded = agent.IsOnBoarded();
  seen.statusAfter = (await sdk.GetAgentManagementClient().GetOnboardingStatus(agent.ClientId())).status;
  const second = new MindConnectAgent(configuration, undefined, `${process.cwd()}/thief/`);
  if (profile === "RSA_3072") second.SetupAgentCertificate(fs.readFileSync("private.key"));
  seen.sameInvitationTwice = await refusal(second.OnBoard());
  return agent;
}

async function upload(agent, motor) {
  seen.noConfiguration = ((await agent.GetDataSourceConfiguration()).dataSources || []).length;
  await agent.ConfigureAgentForAssetId(motor);
  const configuration = await agent.GetDataSourceConfiguration();
  const source = configuration.dataSources.find((each) => each.customData.aspect === "Drive");
  seen.points = source.dataPoints.map((point) => [point.customData.variable, point.type]);
  const mappings = (await agent.GetDataMappings()).filter((each) => each.entityId === motor);
  seen.mappings = mappings.map((each) => each.propertyName).sort();
  await agent.PutDataMappings(mappings);  // each is there: 409, which the SDK ignores
  const now = Date.now();
  const at = (ms) => new Date(now - 60000 + ms);
  const values = source.dataPoints.map(
    (point, i) => ({ dataPointId: point.id, qualityCode: "0", value: POINTS[i] }));
  await agent.PostData(values, at(0));
  await agent.BulkPostData([
    { timestamp: at(1000).toISOString(), values: values.slice(0, 1) },
    { timestamp: at(2000).toISOString(), values },
  ]);
  await agent.BulkPostData([{ timestamp: at(1000).toISOString(), values: values.slice(1) }]);
  const series = sdk.GetTimeSeriesClient();
  const read = await series.GetTimeSeries(motor, "Drive", { from: at(-1), to: at(2000) });
  seen.times = read.map((record) => Date.parse(record._time) - now + 60000);
  seen.records = read.map(({ _time, ...cells }) => cells);
}

async function rest(agent, box) {
  await agent.PostEvent({ entityId: box, sourceType: "Event", sourceId: "app", source: "agent",
    severity: 20, description: "too hot", timestamp: new Date().toISOString() });
  const filter = JSON.stringify({ entityId: box });
  const events = await sdk.GetEventManagementClient().GetEvents({ filter });
  seen.events = events._embedded.events.map((event) => event.description);
  await agent.UploadFile(box, "logs/agent.txt", Buffer.from("from the agent"));
  seen.file = await (await sdk.GetIoTFileClient().GetFile(box, "logs/agent.txt")).text();
  const connect = sdk.GetMindConnectApiClient();
  await connect.PostDiagnosticActivation(agent.ClientId());
  await agent.PostData([{ dataPointId: "nowhere", qualityCode: "0", value: "1" }], new Date(), false);
  const said = await connect.GetDiagnosticActivationMessages(agent.ClientId(), { size: 100 });
  seen.diagnosed = said.content.length > 0 && said.last;
  await connect.DeleteDiagnosticActivation(agent.ClientId());
}

async function leave(agent) {
  await agent.RotateKey();
  await agent.PostData([{ dataPointId: "nowhere", qualityCode: "0", value: "1" }], new Date(), false);
  const agents = sdk.GetAgentManagementClient();
  seen.online = (await agents.GetAgentOnlineStatus(agent.ClientId())).status;
  seen.offboarded = (await agents.OffboardAgent(agent.ClientId())).status;
  seen.afterOffboarding = await refusal(
    agent.PostData([{ dataPointId: "nowhere", qualityCode: "0", value: "1" }], new Date(), false));
}

async function main() {
  const { motor, box } = await makeModel();
  const agent = await board(await makeAgent(box));
  await upload(agent, motor);
  await rest(agent, box);
  await leave(agent);
  process.stdout.write(JSON.stringify(seen));
}

main().catch((error) => {
  process.stderr.write(`${JSON.stringify(seen)}\n${error.stack}\n`);
  process.exitCode = 1;
});
