package kqlcheck

// differs are the queries that are knowingly read in another way, and why.
var differs = map[string]string{
	// The recorded answers of the engine contradict the parser's tables of signatures; the engine counts.
	"documentation/union-operator-06":           "the engine numbers the names of the union so",
	"documentation/summarize-operator-08":       "the engine counts values that are not null, the parser wants a bool",
	"documentation/summarize-operator-05":       "the engine counts values that are not null, the parser wants a bool",
	"documentation/bag-unpack-plugin-04":        "the engine takes an array of names to leave out, the parser wants a string",
	"documentation/datetime-diff-function-00":   "a difference in weeks is a real for the engine",
	"documentation/hour-of-day-function-00":     "an hour is a long for the engine",
	"documentation/monthofyear-function-00":     "a month is a long for the engine",
	"documentation/getyear-function-00":         "a year is a long for the engine",
	"documentation/ceiling-function-00":         "a ceiling is always a real for the engine",
	"documentation/jaccard-index-function-00":   "the index is a real for the engine",
	"aggregate/aggregates skip nulls":           "the engine counts values that are not null, the parser wants a bool",
	"join/a name with two types is two columns": "the engine numbers the names of the union so",

	"documentation/datetime-list-timezones-00":       "there is no list of time zones here",
	"parse/parse replaces a column of the same name": "the parser lists the column twice, before and after",
}

// gateQueries are questions as gates ask them, and some that they get wrong.
var gateQueries = []struct{ name, text string }{
	{"failure rate by slot", `AppRequests
		| where TimeGenerated > ago(10m) and AppRoleName == "calculator-backend"
		| summarize total = sum(ItemCount), failed = sumif(ItemCount, Success == false) by slot = tostring(Properties.slot)
		| extend rate = 100.0 * failed / total`},
	{"latency by slot", `AppRequests
		| where ingestion_time() > ago(5m)
		| summarize percentiles(DurationMs, 50, 95, 99), count() by tostring(Properties.slot), bin(TimeGenerated, 1m)`},
	{"exceptions of the candidate", `let since = ago(30m);
		AppExceptions
		| where TimeGenerated between (since .. now()) and Properties["slot"] =~ "green"
		| summarize n = count(), take_any(OuterMessage) by ProblemId
		| top 5 by n`},
	{"all failures", `union AppRequests, AppDependencies
		| where Success == false
		| summarize count() by Type, ResultCode, bin(TimeGenerated, 5m)
		| order by TimeGenerated asc`},
	{"dependencies of failed requests", `AppRequests
		| where not(Success)
		| join kind=inner (AppDependencies | where DurationMs > 1000 | project OperationId, Target) on OperationId
		| summarize dcount(OperationId) by Target`},
	{"classic names", `requests
		| where timestamp > ago(1h) and customDimensions.slot has_any ("green", "blue")
		| summarize avg(duration), max(duration), countif(success == "False") by operation_Name`},
	{"traces", `AppTraces
		| where SeverityLevel >= 3 and Message !contains "retry"
		| extend code = toint(extract(@"code=(\d+)", 1, Message))
		| summarize n = count() by code, hour = bin(TimeGenerated, 1h)`},
	{"a column that is not there", `AppRequests | where Sucess == false`},
	{"a table that is not there", `AppRequest | count`},
	{"too few arguments", `AppRequests | extend x = strcat_delim("-")`},
	{"text plus number", `AppRequests | extend x = Name + 1`},
	{"a function that is not there", `AppRequests
		| extend x = tostrin(Name)`},
}

// functionDiffers are the functions and operators that knowingly take or give other types, and why.
var functionDiffers = map[string]string{
	"==": mixed, "!=": mixed, "in": mixed, "in~": mixed,
	"+": "a sum of datetimes has no meaning", "-": "a timespan less a datetime has no meaning", "*": "a datetime cannot be multiplied",
	"/": "a datetime cannot be divided", "%": "what is left of a time by a number has no meaning",
	"around": mixed, "range": "the ends of a range have one type",

	"ceiling": engineReal, "jaccard_index": engineReal, "getmonth": engineLong, "getyear": engineLong, "hourofday": engineLong, "monthofyear": engineLong,
	"dayofmonth": engineLong, "dayofyear": engineLong, "weekofyear": engineLong, "week_of_year": engineLong, "datetime_part": engineLong,
	"datepart": engineLong,

	"hash": bytesOf, "hash_xxhash64": bytesOf, "hash_md5": bytesOf, "hash_sha1": bytesOf, "hash_sha256": bytesOf,
	"todynamic": "it is also the cast of every type to dynamic", "toobject": "it is also the cast of every type to dynamic",
	"toguid":             "it is also the cast of every type to guid",
	"array_sort_asc":     "several arrays at once are not supported",
	"array_sort_desc":    "several arrays at once are not supported",
	"series_dot_product": "of an array and a number it is not supported",
}

// nameDiffers are the functions whose result without a name is knowingly named in another way, and why.
var nameDiffers = map[string]string{
	"array_sort_asc":  "the name array_sorted is for several arrays at once, which are not supported",
	"array_sort_desc": "the name array_sorted is for several arrays at once, which are not supported",
}

const (
	mixed      = "values of types that are never the same are refused, so that nobody waits for what cannot be"
	engineReal = "a real for the engine"
	engineLong = "a long for the engine"
	bytesOf    = "how the engine writes other values than strings as bytes is not documented"
)
