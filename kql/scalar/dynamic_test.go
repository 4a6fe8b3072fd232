package scalar_test

import (
	"math"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/scalar"
)

// The values are those of the documentation of each function, but where a comment says otherwise.

func TestArrays(t *testing.T) {
	five := dyn("[1,2,3,4,5]")
	check(t, []example{
		ex("array_length", 4, dyn(`[1,2,3,"four"]`)), ex("array_length", null(column.Long), dyn(`{}`)), ex("array_sum", 10.0, dyn("[1,2,3,4]")), ex("array_sum", null(column.Real), dyn(`[1,"a"]`)),
		ex("array_concat", dyn("[1,2,4,1,2]"), dyn("[1,2,4]"), dyn("[1,2]")), ex("array_reverse", dyn(`["example","an","is","this"]`), dyn(`["this","is","an","example"]`)),
		ex("array_shift_left", dyn("[3,4,5,null,null]"), five, 2), ex("array_shift_left", dyn("[-1,-1,1,2,3]"), five, -2, -1), ex("array_shift_right", dyn("[null,null,1,2,3]"), five, 2),
		ex("array_shift_right", dyn("[3,4,5,-1,-1]"), five, -2, -1), ex("array_shift_left", dyn("[null,null,null,null,null]"), five, math.MaxInt64),
		ex("array_rotate_left", dyn("[3,4,5,1,2]"), five, 2), ex("array_rotate_left", dyn("[4,5,1,2,3]"), five, -2), ex("array_rotate_right", dyn("[4,5,1,2,3]"), five, 2), ex("array_rotate_right", dyn("[]"), dyn("[]"), 2),
		ex("array_rotate_left", dyn("[2,3,4,5,1]"), five, 6), ex("array_rotate_left", dyn("[3,4,5,1,2]"), five, math.MaxInt64), // 2 more than a multiple of 5
		ex("array_slice", dyn("[2,3]"), dyn("[1,2,3]"), 1, 2), ex("array_slice", dyn("[3,4,5]"), five, 2, -1), ex("array_slice", dyn("[3,4]"), five, -3, -2), ex("array_slice", dyn("[]"), five, 3, 2), ex("array_slice", dyn("[5]"), five, 4, 99),
		ex("array_split", dyn("[[1,2],[3,4,5]]"), five, 2), ex("array_split", dyn("[[1],[2,3],[4,5]]"), five, dyn("[1,3]")), ex("array_split", dyn("[[1,2,3],[4,5]]"), five, -2),
		ex("array_sort_asc", dyn(`["blue","green","yellow",null,null]`), dyn(`[null,"blue","yellow","green",null]`)), ex("array_sort_asc", dyn(`[null,null,"blue","green","yellow"]`), dyn(`[null,"blue","yellow","green",null]`), false),
		ex("array_sort_desc", dyn(`["yellow","green","blue",null,null]`), dyn(`[null,"blue","yellow","green",null]`)), ex("array_sort_desc", dyn(`[3,2.5,1]`), dyn(`[2.5,1,3]`), true),
		ex("array_iff", dyn("[1,5,3]"), dyn("[true,false,true]"), dyn("[1,2,3]"), dyn("[4,5,6]")), ex("array_iff", dyn(`["yes","no","yes"]`), dyn("[1,0,50]"), "yes", "no"),
		ex("array_iff", dyn("[null,null,null]"), dyn(`["some string value","2022-01-01T00:00:00.0000000Z",null]`), 1, 0), ex("array_iff", dyn("[1,2,null]"), dyn("[true,true,true]"), dyn("[1,2]"), dyn("[3,4]")),
		ex("array_index_of", 3, dyn(`["this","is","an","example"]`), "example"), ex("array_index_of", -1, dyn(`["this","is"]`), "x"), ex("array_index_of", 2, dyn("[1,2,1]"), 1, 0, -1, 2), ex("array_index_of", 2, dyn("[1,2,1]"), 1, 1),
		ex("zip", dyn("[[1,2],[3,4],[5,6]]"), dyn("[1,3,5]"), dyn("[2,4,6]")), ex("zip", dyn(`[["A",{}],[1,"B"],[1.5,null]]`), dyn(`["A",1,1.5]`), dyn(`[{},"B"]`)),
		ex("pack_array", dyn(`[1,"2","00:00:06",null]`), 1, "2", lasting("6s"), null(column.Long)), ex("repeat", dyn("[1,1,1]"), 1, 3), ex("repeat", dyn("[]"), "a", 0), ex("repeat", null(column.Dynamic), 1, -1),
		ex("range", dyn("[1,4,7]"), 1, 8, 3), ex("range", dyn("[1,2,3]"), 1, 3), ex("range", dyn(`["01:00:00","02:00:00"]`), lasting("1h"), lasting("2h")), ex("range", dyn("[0.0,0.5,1.0]"), 0, 1, 0.5), ex("range", dyn("[]"), 3, 1),
		ex("range", dyn("[3,2,1]"), 3, 1, -1), ex("range", null(column.Dynamic), 1, 3, 0), ex("range", dyn(`["2007-01-01T00:00:00.0000000Z","2007-01-02T00:00:00.0000000Z"]`), at("2007-01-01"), at("2007-01-02"), lasting("1d")),
		ex("range", dyn("[9223372036854775806,9223372036854775807]"), math.MaxInt64-1, math.MaxInt64),
	})
}

func TestRangeIsBounded(t *testing.T) {
	f, _ := lookup(t, "range")
	v, err := f.Eval(&scalar.Context{}, []*column.Vector{column.NewInts(column.Long, []int64{1}, nil), column.NewInts(column.Long, []int64{1 << 60}, nil)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(v.Dyn(0).([]column.Value)); got != 1_048_576 {
		t.Errorf("range gave %d elements, want Kusto's 1,048,576", got)
	}
}

func TestBags(t *testing.T) {
	nested := dyn(`{"key1":123,"key2":{"prop1":"abc","prop2":"xyz"},"key3":[100,200]}`)
	check(t, []example{
		ex("bag_keys", dyn(`["a","c"]`), dyn(`{"a":"b","c":{"d":123}}`)), ex("bag_keys", null(column.Dynamic), null(column.Dynamic)), ex("bag_keys", dyn("[]"), dyn("{}")), ex("bag_keys", null(column.Dynamic), dyn(`"a"`)),
		ex("bag_merge", dyn(`{"A1":12,"B1":2,"C1":3,"A2":81,"B2":82}`), dyn(`{"A1":12,"B1":2,"C1":3}`), dyn(`{"A2":81,"B2":82,"A1":1}`)), ex("bag_has_key", true, dyn(`{"key1":123,"key2":"abc"}`), "key2"),
		ex("bag_has_key", false, dyn(`{"key1":123}`), "key2"), ex("bag_has_key", true, nested, "$.key2.prop1"), ex("bag_has_key", true, nested, "$['key2']['prop1']"), ex("bag_has_key", null(column.Bool), dyn("[]"), "a"),
		ex("bag_set_key", dyn(`{"key1":1,"key2":2,"key3":3}`), dyn(`{"key1":1,"key2":2}`), "key3", 3), ex("bag_set_key", dyn(`{"key1":1,"key3":3}`), dyn(`{"key1":1,"key3":"abc"}`), "key3", 3),
		ex("bag_set_key", dyn(`{"key1":123,"key2":{"prop2":"xyz","prop1":"abc"}}`), dyn(`{"key1":123,"key2":{"prop1":123,"prop2":"xyz"}}`), "$.key2.prop1", "abc"), ex("bag_set_key", dyn(`{"key1":123,"key2":{"prop1":"abc"}}`), dyn(`{"key1":123}`), "$.key2.prop1", "abc"),
		ex("bag_remove_keys", dyn(`{"key1":123}`), dyn(`{"key1":123,"key2":"abc"}`), dyn(`["key2","key4"]`)), ex("bag_remove_keys", dyn(`{"key1":123,"key2":{"prop2":"xyz"}}`), nested, dyn(`["$.key2.prop1","key3"]`)),
		ex("bag_zip", dyn(`{"a":1,"b":"2","c":3.4}`), dyn(`["a","b","c"]`), dyn(`[1,"2",3.4]`)), ex("bag_zip", dyn(`{"a":1,"b":"2","c":null}`), dyn(`["a","b","c"]`), dyn(`[1,"2"]`)), ex("bag_zip", dyn(`{"a":null,"b":null}`), dyn(`["a",8,"b"]`), dyn(`1`)),
		ex("bag_pack", dyn(`{"a":1,"b":"x","c":null}`), "a", 1, "b", "x", "c", null(column.Real)), ex("treepath", dyn(`["['a']","['b']","['b']['c']"]`), dyn(`{"a":"x","b":{"c":123}}`)), ex("dynamic_to_json", `{"a":"x"}`, dyn(`{"a":"x"}`)),
	})
}

func TestSets(t *testing.T) {
	check(t, []example{
		ex("set_union", dyn("[1,2,4,8]"), dyn("[1,2,1,4]"), dyn("[1,2]"), dyn("[8]")), ex("set_union", dyn(`["A4","A2","A7"]`), dyn(`["A4","A2","A7","A2"]`), dyn(`["A4"]`)), ex("set_intersect", dyn("[1]"), dyn("[1,2,1,4]"), dyn("[1,2]"), dyn("[8,1]")),
		ex("set_intersect", dyn("[]"), dyn("[1,2,3]"), dyn("[4,5]")), ex("set_difference", dyn("[4]"), dyn("[1,2,1,4]"), dyn("[1,2]"), dyn("[1,2,8]")), ex("set_difference", dyn("[]"), dyn("[1,2,3]"), dyn("[1,2,3]")),
		ex("set_has_element", true, dyn(`["this","is","an","example"]`), "example"), ex("set_has_element", false, dyn("[1]"), 2), ex("set_has_element", true, dyn("[1.0]"), 1), ex("set_equals", true, dyn("[1,2,1]"), dyn("[2,1]")), ex("set_equals", false, dyn("[1]"), dyn("[2]")),
		ex("jaccard_index", 0.75, dyn("[1,2,3]"), dyn("[1,2,3,4]")), ex("jaccard_index", math.NaN(), dyn("[]"), dyn("[]")), // 0 of 0
	})
}

func TestSeries(t *testing.T) {
	check(t, []example{
		ex("series_add", dyn("[5.0,4.0,5.0]"), dyn("[1,2,4]"), dyn("[4,2,1]")), ex("series_subtract", dyn("[-3.0,0.0,3.0]"), dyn("[1,2,4]"), dyn("[4,2,1]")), ex("series_multiply", dyn("[4.0,4.0,4.0]"), dyn("[1,2,4]"), dyn("[4,2,1]")),
		ex("series_divide", dyn("[0.25,1.0,4.0]"), dyn("[1,2,4]"), dyn("[4,2,1]")), ex("series_add", dyn("[2.0,3.0]"), dyn("[1,2]"), 1), ex("series_pow", dyn("[1.0,4.0]"), dyn("[1,2]"), 2), ex("series_add", dyn("[2.0,null]"), dyn("[1,2]"), dyn("[1]")),
		ex("series_greater", dyn("[false,true]"), dyn("[1,2]"), 1.5), ex("series_less", dyn("[true,false]"), dyn("[1,2]"), 1.5), ex("series_equals", dyn("[true,false]"), dyn("[1,2]"), 1), ex("series_not_equals", dyn("[false,true]"), dyn("[1,2]"), 1), ex("series_less_equals", dyn("[true]"), dyn("[1]"), 1),
		ex("series_greater_equals", dyn("[true]"), dyn("[1]"), 1), ex("series_abs", dyn("[1.0,null]"), dyn(`[-1,"a"]`)), ex("series_exp", dyn("[1.0]"), dyn("[0]")), ex("series_log", dyn("[0.0]"), dyn("[1]")), ex("series_sign", dyn("[-1.0,0.0,1.0]"), dyn("[-6,0,8]")),
		ex("series_sin", dyn("[0.0]"), dyn("[0]")), ex("series_cos", dyn("[1.0]"), dyn("[0]")), ex("series_tan", dyn("[0.0]"), dyn("[0]")), ex("series_asin", dyn("[0.0]"), dyn("[0]")), ex("series_acos", dyn("[0.0]"), dyn("[1]")), ex("series_atan", dyn("[0.0]"), dyn("[0]")),
		ex("series_floor", dyn("[1.0]"), dyn("[1.5]")), ex("series_ceiling", dyn("[2.0]"), dyn("[1.5]")), ex("series_sum", 10.0, dyn("[1,2,3,4]")), ex("series_product", 24.0, dyn("[1,2,3,4]")), ex("series_magnitude", 5.0, dyn("[3,4]")), ex("series_dot_product", 4.0, dyn("[1,1]"), dyn("[1,3]")),
		ex("series_pearson_correlation", 1.0, dyn("[1,2,3]"), dyn("[2,4,6]")), ex("series_pearson_correlation", null(column.Real), dyn("[1]"), dyn("[2,4]")),
		ex("series_stats_dynamic", dyn(`{"min":2.0,"min_idx":8,"max":87.0,"max_idx":3,"avg":32.8,"stdev":28.50363385354827,"variance":812.4571428571429,"sum":492.0,"len":15}`), dyn("[23,46,23,87,4,8,3,75,2,56,13,75,32,16,29]")),
		ex("series_stats_dynamic", null(column.Dynamic), dyn("[1,null]")), ex("series_stats_dynamic", dyn(`{"min":1.0,"min_idx":1,"max":1.0,"max_idx":1,"avg":1.0,"stdev":0.0,"variance":0.0,"sum":1.0,"len":2}`), dyn("[null,1]"), true),
		ex("series_fill_const", dyn("[0.0,1,0.0]"), dyn("[null,1,null]"), 0.0), ex("series_fill_const", dyn("[0,1]"), dyn("[-1,1]"), 0, -1), ex("series_fill_forward", dyn("[null,1,1]"), dyn("[null,1,null]")), ex("series_fill_backward", dyn("[1,1,null]"), dyn("[null,1,null]")),
		ex("series_fill_linear", dyn("[1,1,1.5,2,2]"), dyn("[null,1,null,2,null]")), ex("series_fill_linear", dyn("[0.0,0.0]"), dyn("[null,null]")), ex("series_fill_linear", dyn("[null,1,2.0,3,null]"), dyn("[null,1,-1,3,null]"), -1, false),
		ex("series_fill_linear", dyn("[7,7]"), dyn("[null,null]"), null(column.Long), true, 7),
		ex("series_fill_forward", dyn("[1,1]"), dyn("[1,-1]"), -1),
	})
}

func TestAResultBeyondTheLimitIsRefused(t *testing.T) {
	long := strings.Repeat("a", 10_000)
	for name, args := range map[string][]*column.Vector{
		"strrep":        {column.NewStrings([]string{long}), column.NewConst(column.Long, int64(1024), 1)},
		"replace_regex": {column.NewStrings([]string{long}), column.NewConst(column.String, "a", 1), column.NewConst(column.String, long, 1)},
		"range":         {column.NewInts(column.Long, []int64{1}, nil), column.NewConst(column.Long, int64(1<<20), 1)},
	} {
		f, _ := lookup(t, name)
		c := ctx()
		c.MaxBytes = 1 << 20
		if _, err := f.Eval(c, args, 1); err == nil || !strings.Contains(err.Error(), "limit of 1048576 bytes") {
			t.Errorf("%s gave error %v, want one about the limit", name, err)
		}
	}
}
