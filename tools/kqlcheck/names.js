// Writes the names of all functions and aggregates that Microsoft's parser knows, as JSON. Those that begin with _ are internal.
require('@kusto/language-service-next/bridge.min.js');
require('@kusto/language-service-next/Kusto.Language.Bridge.min.js');

const { Functions, Aggregates } = Kusto.Language;
const names = new Set([...Functions.All, ...Aggregates.All].map((f) => f.Name).filter((name) => !name.startsWith('_')));
process.stdout.write(JSON.stringify([...names].sort()));
