// Reads queries as JSON from standard input, and writes what Microsoft's parser of the Kusto Query Language says of each: its errors, and the
// columns of its result.
//
//   in:  [{"tables": {"T": "(a:long, b:string)"}, "queries": ["T | count"]}]
//   out: [{"errors": [{"code": "KS142", "message": "…", "line": 1, "column": 5}], "columns": [{"name": "Count", "type": "long"}]}]
//
// Columns are null where they depend on data, and then cannot be known from the query. A query that the parser fails on has "failed", and why.
require('@kusto/language-service-next/bridge.min.js');
require('@kusto/language-service-next/Kusto.Language.Bridge.min.js');

const { GlobalState, KustoCode, Symbols } = Kusto.Language;

// list copies one of the several kinds of list that the compiled library has.
function list(l) {
  if (!l) return [];
  if (Array.isArray(l)) return l;
  const n = l.Count !== undefined ? l.Count : System.Array.getCount(l);
  return Array.from({ length: n }, (_, i) => (l.getItem ? l.getItem(i) : System.Array.getItem(l, i)));
}

function check(query, globals) {
  try {
    return read(query, globals);
  } catch (e) {
    // A few queries trip the library itself over a value that it cannot convert.
    return { failed: String(e.message || e), errors: [], columns: null };
  }
}

function read(query, globals) {
  const code = KustoCode.ParseAndAnalyze(query, globals);
  const errors = list(code.GetDiagnostics())
    .filter((d) => d.Severity === 'Error')
    .map((d) => {
      const before = query.slice(0, d.Start).split('\n');
      return { code: d.Code, message: d.Message, line: before.length, column: before[before.length - 1].length + 1 };
    });
  const result = code.ResultType;
  let columns = null;
  if (result instanceof Symbols.TableSymbol && !result.IsOpen) {
    columns = list(result.Columns).map((c) => ({ name: c.Name, type: c.Type.Name }));
  }
  return { errors, columns };
}

const readings = JSON.parse(require('fs').readFileSync(0, 'utf8')).flatMap(({ tables, queries }) => {
  const symbols = Object.entries(tables).map(([name, schema]) => new Symbols.TableSymbol.$ctor7(name, schema, null));
  const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor('recording', symbols));
  return queries.map((query) => check(query, globals));
});
process.stdout.write(JSON.stringify(readings));
