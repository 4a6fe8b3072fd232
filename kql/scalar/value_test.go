package scalar_test

import (
	"math"
	"testing"

	"github.com/slipway-cd/slipway/kql/column"
)

// The values are those of the documentation of each function, but where a comment says otherwise.

func TestConversions(t *testing.T) {
	check(t, []example{
		ex("tostring", "123", 123), ex("tostring", "", null(column.Long)), ex("tostring", "true", true), ex("tostring", "1.0", 1.0), ex("tostring", "a", dyn(`"a"`)),
		ex("tostring", `{"a":1}`, dyn(`{"a":1}`)), ex("tostring", "", null(column.Dynamic)), ex("tostring", "2017-10-15T12:00:00.0000000Z", at("2017-10-15 12:00")),
		ex("toint", integer(123), "123"), ex("toint", integer(2), 2.3), ex("toint", null(column.Int), "x"), ex("toint", null(column.Int), 1<<40), ex("tolong", 123, "123"), ex("tolong", -2, -2.7),
		ex("tolong", 10000000, lasting("1s")), ex("tolong", 255, "0xff"), ex("tolong", 1, true), ex("tolong", null(column.Long), math.NaN()), ex("tolong", 5, dyn(`"5"`)), ex("tolong", 1, dec("1.9")),
		ex("toreal", 123.4, "123.4"), ex("todouble", 1.0, 1), ex("toreal", null(column.Real), "0x1p2"), ex("toreal", 1.5, dyn("1.5")), ex("toreal", null(column.Real), dyn(`[1]`)),
		ex("todecimal", dec("123.45678"), "123.45678"), ex("todecimal", dec("1.5"), 1.5), ex("tobool", true, "True"), ex("tobool", false, "false"), ex("tobool", null(column.Bool), "x"), ex("tobool", true, 123),
		ex("todatetime", at("2015-12-31 23:59:59.9"), "2015-12-31 23:59:59.9"), ex("todatetime", at("2022-12-02"), "12-02-2022"), ex("todatetime", null(column.DateTime), "x"),
		ex("totimespan", lasting("1s"), "00:00:01"), ex("totimespan", lasting("1d"), "1.00:00:00"), ex("totimespan", null(column.TimeSpan), "x"),
		ex("toguid", uuid("70fc66f7-8279-44fc-9092-d364d70fce44"), "70fc66f7-8279-44fc-9092-d364d70fce44"), ex("toguid", null(column.GUID), "x"),
		ex("todynamic", dyn("5"), 5), ex("parse_json", dyn(`{"a":[1,2.5,null]}`), `{"a":[1,2.5,null]}`), ex("todynamic", dyn(`"no json"`), "no json"), ex("parse_json", null(column.Dynamic), ""), ex("parse_json", dyn(`{"a":1}`), dyn(`{"a":1}`)),
		ex("gettype", "string", "a"), ex("gettype", "long", 1), ex("gettype", "int", integer(1)), ex("gettype", "double", 1.5), ex("gettype", "datetime", at("2020-01-01")), ex("gettype", "dictionary", dyn("{}")),
		ex("gettype", "array", dyn("[]")), ex("gettype", "double", dyn("123.45")), ex("gettype", "null", null(column.Dynamic)), ex("gettype", "bool", true),
	})
}

func TestMathFunctions(t *testing.T) {
	check(t, []example{
		ex("abs", 5, -5), ex("abs", 5, integer(-5)), ex("abs", 1.5, -1.5), ex("abs", lasting("1h"), lasting("-1h")), ex("abs", dec("1.5"), dec("-1.5")),
		ex("exp", 7.38905609893065, 2), ex("exp2", 8.0, 3), ex("exp10", 100.0, 2), ex("log", 1.6094379124341003, 5), ex("log2", 2.321928094887362, 5), ex("log10", 0.6989700043360189, 5),
		ex("log", null(column.Real), -1), ex("log", math.Inf(-1), 0), ex("sqrt", 16.0, 256), ex("sqrt", null(column.Real), -1), ex("pow", 8.0, 2, 3), ex("pi", math.Pi),
		ex("sign", -1.0, -42), ex("sign", 0.0, 0), ex("sign", 1.0, 11.2), ex("ceiling", -1.0, -1.1), ex("ceiling", 0.0, 0), ex("ceiling", 1.0, 0.9),
		ex("round", 3.0, 2.98765), ex("round", 2.988, 2.98765, 3), ex("round", 20.0, 15.65, -1), ex("round", -1111.0, -1111.1), ex("round", 3.0, 2.5), ex("round", -3.0, -2.5), ex("round", 15, 15, 1), ex("round", 20, 15, -1),
		ex("round", 50.0, 50.0, 2), ex("round", dec("1.24"), dec("1.235"), 2), ex("round", math.NaN(), math.NaN(), 2), ex("round", 1e300, 1e300, 20),
		ex("sin", 0.0, 0), ex("tan", 0.0, 0), ex("asin", math.Pi/2, 1), ex("atan", math.Pi/4, 1), ex("cos", 1.0, 0), ex("acos", null(column.Real), 2), ex("atan2", math.Pi/4, 1, 1), ex("cot", 0.642092615934331, 1), ex("degrees", 180.0, math.Pi), ex("radians", math.Pi, 180),
		ex("erf", 0.8427007929497149, 1), ex("erfc", 0.15729920705028513, 1), ex("gamma", 6.0, 4), ex("loggamma", 1.79175946922805, 4),
		ex("isnan", true, math.NaN()), ex("isnan", false, 1), ex("isinf", true, math.Inf(-1)), ex("isfinite", false, math.Inf(1)), ex("isfinite", true, 1.5),
		ex("binary_and", 4, 6, 12), ex("binary_or", 14, 6, 12), ex("binary_xor", 10, 6, 12), ex("binary_not", -101, 100), ex("binary_shift_left", 4, 1, 2), ex("binary_shift_right", 0, 1, 2), ex("bitset_count_ones", 4, 42+128),
		ex("sqrt", 2.0, dec("4")), ex("sqrt", null(column.Real), null(column.Long)),
	})
}

func TestBinning(t *testing.T) {
	check(t, []example{
		ex("bin", 4.0, 4.5, 1), ex("bin", 4, 4, 1), ex("bin", -2, -1, 2), ex("bin", 5, integer(7), integer(5)), ex("bin", at("1970-05-11"), at("1970-05-11 13:45:07"), lasting("1d")),
		ex("bin", lasting("16d"), lasting("16d 1h"[:3]), lasting("1d")), ex("bin", at("2017-05-15"), at("2017-05-17"), lasting("7d")), // a week from Monday 0001-01-01 on
		ex("bin", null(column.Long), null(column.Long), 5), ex("bin", null(column.Long), 5, null(column.Long)), ex("bin", null(column.Long), 5, 0), ex("bin", null(column.Real), 5.0, -1),
		ex("floor", 4.0, 4.5, 1), ex("bin", dec("4"), dec("4.5"), dec("2")), ex("bin", 4.0, 5, 2.0),
		ex("bin_at", 4.5, 6.5, 2.5, 7), ex("bin_at", lasting("-12h"), lasting("1h"), lasting("1d"), lasting("12h")), ex("bin_at", at("2017-05-14 12:00"), at("2017-05-15 10:20"), lasting("1d"), at("1970-01-01 12:00")),
		ex("bin_at", at("2017-05-14"), at("2017-05-17 10:20"), lasting("7d"), at("2017-06-04")),
	})
}

func TestTheBinOfTheRowBeforeIsReusedOnlyWithinIt(t *testing.T) {
	f, _ := lookup(t, "bin")
	in := []int64{5, 9, 10, 3, 0, -1, 10, 19, 20}
	v, err := f.Eval(ctx(), []*column.Vector{column.NewInts(column.Long, in, nil), column.NewConst(column.Long, int64(10), len(in))}, len(in))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{0, 0, 10, 0, 0, -10, 10, 10, 20} {
		if got := v.Int(i); got != want {
			t.Errorf("bin(%d, 10) is %d, want %d", in[i], got, want)
		}
	}
}

func TestDatetimeDiffCountsBorders(t *testing.T) {
	check(t, []example{
		ex("datetime_diff", 17, "year", at("2017-01-01"), at("2000-12-31")), ex("datetime_diff", 2, "quarter", at("2017-07-01"), at("2017-03-30")), ex("datetime_diff", 13, "month", at("2017-01-01"), at("2015-12-30")),
		ex("datetime_diff", 29, "day", at("2017-10-29 00:00"), at("2017-09-30 23:59")), ex("datetime_diff", 2, "hour", at("2017-10-31 01:00"), at("2017-10-30 23:59")),
		ex("datetime_diff", 5, "minute", at("2017-10-30 23:05:01"), at("2017-10-30 23:00:59")), ex("datetime_diff", 10, "Second", at("2017-10-30 23:00:10.100"), at("2017-10-30 23:00:00.900")),
		ex("datetime_diff", 100, "millisecond", at("2017-10-30 23:00:00.200100"), at("2017-10-30 23:00:00.100900")), ex("datetime_diff", 100, "microsecond", at("2017-10-30 23:00:00.1009001"), at("2017-10-30 23:00:00.1008009")),
		ex("datetime_diff", -700, "nanosecond", at("2017-10-30 23:00:00"), at("2017-10-30 23:00:00.0000007")), ex("datetime_diff", -1, "day", at("2017-01-01"), at("2017-01-02")),
	})
}

// The engine answers so; the documentation says long for every part.
func TestWeeksBetweenDatetimesAreAReal(t *testing.T) {
	f, _ := lookup(t, "datetime_diff")
	types := []column.Type{column.String, column.DateTime, column.DateTime}
	args := []*column.Vector{column.NewConst(column.String, "Week", 1), column.NewConst(column.DateTime, at("2017-10-29"), 1),
		column.FromValues(column.DateTime, []column.Value{at("2017-09-30 23:59")})}
	result, err := f.ResolveConst(types, []*column.Vector{args[0], args[1], nil})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Eval(ctx(), args, 1)
	if err != nil || result != column.Real || got.Type() != result || got.Real(0) != 5 {
		t.Errorf("got %v of %s, announced as %s (%v), want the real 5", got.Value(0), got.Type(), result, err)
	}
}

func TestPartsOfADatetime(t *testing.T) {
	moment := at("2015-12-14 18:54:13.1234567")
	check(t, []example{
		ex("dayofweek", lasting("1d"), at("1970-05-11")), ex("dayofweek", lasting("0s"), at("1947-11-30 10:00:05")), ex("dayofmonth", 14, moment), ex("dayofyear", 348, moment), ex("hourofday", 18, at("2015-12-14 18:54")),
		ex("getyear", 2015, at("2015-10-12")), ex("getmonth", 10, at("2015-10-12")), ex("monthofyear", 12, moment), ex("week_of_year", 53, at("2020-12-31")), ex("weekofyear", 1, at("2020-01-01")),
		ex("datetime_part", 2017, "Year", at("2017-10-30 01:02:03.7654321")), ex("datetime_part", 4, "quarter", moment), ex("datetime_part", 44, "week_of_year", at("2017-10-30")), ex("datetime_part", 303, "dayOfYear", at("2017-10-30")),
		ex("datetime_part", 123, "millisecond", moment), ex("datetime_part", 123456, "microsecond", moment), ex("datetime_part", 123456700, "nanosecond", moment), ex("datepart", 54, "minute", moment),
		ex("startofday", at("2017-01-01"), at("2017-01-01 10:10:17")), ex("startofday", at("2016-12-31"), at("2017-01-01 10:10:17"), -1), ex("startofweek", at("2017-01-01"), at("2017-01-01 10:10:17")), ex("startofweek", at("2016-12-25"), at("2017-01-01 10:10:17"), -1),
		ex("startofmonth", at("2016-12-01"), at("2017-01-31 10:10:17"), -1), ex("startofyear", at("2018-01-01"), at("2017-01-01 10:10:17"), 1), ex("endofday", at("2017-01-01 23:59:59.9999999"), at("2017-01-01 10:10:17")),
		ex("endofweek", at("2017-01-07 23:59:59.9999999"), at("2017-01-01 10:10:17")), ex("endofmonth", at("2017-02-28 23:59:59.9999999"), at("2017-01-31 10:10:17"), 1), ex("endofyear", at("9999-12-31 23:59:59.9999999"), at("9999-01-01")),
		ex("startofday", null(column.DateTime), at("0001-01-01"), -1), ex("startofday", null(column.DateTime), at("2017-01-01"), 1<<50),
	})
}

func TestDatetimesAreMade(t *testing.T) {
	check(t, []example{
		ex("make_datetime", at("2017-10-01"), 2017, 10, 1), ex("make_datetime", at("2017-10-01 12:10"), 2017, 10, 1, 12, 10), ex("make_datetime", at("2017-10-01 12:11:00.1234567"), 2017, 10, 1, 12, 11, 0.1234567),
		ex("make_datetime", null(column.DateTime), 2017, 2, 30), ex("make_datetime", null(column.DateTime), 2017, 13, 1), ex("make_datetime", at("2017-10-01"), "2017-10-01"), ex("make_timespan", lasting("1.12:30:55.123"), 1, 12, 30, 55.123),
		ex("make_timespan", lasting("12:30:00"), 12, 30), ex("make_timespan", lasting("12:30:55"), 12, 30, 55), ex("make_timespan", null(column.TimeSpan), 25, 0),
		ex("datetime_add", at("2018-01-01"), "year", 1, at("2017-01-01")), ex("datetime_add", at("2017-02-28 10:00"), "month", 1, at("2017-01-31 10:00")), ex("datetime_add", at("2017-04-01"), "quarter", 1, at("2017-01-01")), ex("datetime_add", at("2016-12-25"), "week", -1, at("2017-01-01")),
		ex("datetime_add", at("2017-01-01 00:00:00.001"), "millisecond", 1, at("2017-01-01")), ex("datetime_add", null(column.DateTime), "year", 9000, at("2017-01-01")), ex("datetime_add", null(column.DateTime), "day", 1<<60, at("2017-01-01")),
		ex("unixtime_seconds_todatetime", at("2019-01-01"), 1546300800), ex("unixtime_milliseconds_todatetime", at("2019-01-01"), 1546300800000), ex("unixtime_microseconds_todatetime", at("2019-01-01"), 1546300800000000), ex("unixtime_nanoseconds_todatetime", at("2019-01-01"), 1546300800000000000),
		ex("unixtime_seconds_todatetime", at("2019-01-01 00:00:00.5"), 1546300800.5), ex("unixtime_seconds_todatetime", null(column.DateTime), 1e15),
	})
}

func TestFormats(t *testing.T) {
	moment := at("2017-01-29 09:05:07.1230000")
	check(t, []example{
		ex("format_datetime", "17-01-29 [09:05:07]", moment, "yy-MM-dd [HH:mm:ss]"), ex("format_datetime", "2017-1-29 9:5:7", moment, "yyyy-M-dd H:m:s"), ex("format_datetime", "2017-01-29 [09:05:07 AM]", moment, "yyyy-MM-dd [hh:mm:ss tt]"),
		ex("format_datetime", "07.123", moment, "ss.FFFF"), ex("format_datetime", "07.1230", moment, "ss.ffff"), ex("format_datetime", "12:00 AM", at("2017-01-29"), "h:mm tt"),
		ex("format_timespan", "29.09:00:05:12", lasting("29.09:00:05.12"), "dd.hh:mm:ss:FF"), ex("format_timespan", "029.9:00", lasting("29.09:00:00"), "ddd.h:mm"), ex("format_timespan", "1:05", lasting("-01:05:00"), "H:mm"),
	})
}

func TestTimeZones(t *testing.T) {
	check(t, []example{
		ex("datetime_local_to_utc", at("2020-02-03 04:02:20"), at("2020-02-02 20:02:20"), "US/Pacific"), ex("datetime_local_to_utc", at("2020-02-02 19:02:20"), at("2020-02-02 20:02:20"), "Europe/Paris"),
		ex("datetime_local_to_utc", at("2022-03-27 00:00"), at("2022-03-27 01:00"), "Europe/Brussels"), ex("datetime_local_to_utc", at("2022-03-27 00:00"), at("2022-03-27 02:00"), "Europe/Brussels"), // which the clocks skip
		ex("datetime_local_to_utc", at("2022-03-27 01:00"), at("2022-03-27 03:00"), "Europe/Brussels"), ex("datetime_utc_to_local", at("2022-03-27 03:00"), at("2022-03-27 01:00"), "Europe/Brussels"),
		ex("datetime_utc_to_local", at("2020-02-02 12:02:20"), at("2020-02-02 20:02:20"), "US/Pacific"),
	})
}
