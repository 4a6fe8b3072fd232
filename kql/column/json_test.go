package column

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestJSONIsReadAndWritten(t *testing.T) {
	for text, want := range map[string]string{
		``: `null`, `null`: `null`, ` [ 1 , 2.0, -3e2 , true,"a\u00e9\n" ] `: `[1,2.0,-300.0,true,"aé\n"]`,
		`{"b":1,"a":{"x":[]},"b":2}`: `{"b":2,"a":{"x":[]}}`, `9223372036854775807`: `9223372036854775807`,
		`9223372036854775808`: `9.223372036854776E+18`, `"\ud83d\ude00"`: `"😀"`, `0.00000001`: `1E-08`, `1e400`: `null`,
	} {
		v, err := ParseJSON(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := string(AppendJSON(nil, v)); got != want {
			t.Errorf("%s is written %s, want %s", text, got, want)
		}
	}
}

func TestTextThatIsNoJSONIsAnError(t *testing.T) {
	for text, want := range map[string]string{
		`{`: "a name in quotes", `{"a"}`: "a colon", `{"a":1,}`: "a name in quotes", `[1 2]`: "a comma or a closing bracket", `"a`: "the end of a string",
		`nul`: "a value", `1x`: "the end", `-`: "a digit", `"` + "\x01" + `"`: "no control character", `[1],`: "the end",
		strings.Repeat("[", 1000): "nested deeper", `1.2.3`: "the end", `01`: "the end", `1.`: "a digit", `1e+`: "a digit", `"\q"`: "JSON string at byte 0",
	} {
		if v, err := ParseJSON(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, error %v, want %s", text, v, err, want)
		}
	}
}

// FuzzJSON: what encoding/json reads, we read alike; what it does not, we refuse.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,null,true],"b":"x\u0041"}`, `[[[]]]`, `-0`, `1E5`, `"\\"`, `{}`, ` `} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseJSON(text)
		var std any
		stdErr := json.Unmarshal([]byte(text), &std)
		if strings.TrimSpace(text) == "" {
			return
		}
		if (err == nil) != (stdErr == nil) {
			if stdErr != nil && strings.Contains(stdErr.Error(), "cannot unmarshal number") || err != nil && strings.Contains(err.Error(), "nested") {
				return // out of range: we read infinity, they refuse; deeper: they read, we refuse
			}
			t.Fatalf("%q: %v, encoding/json: %v", text, err, stdErr)
		}
		if err != nil {
			return
		}
		written := AppendJSON(nil, v)
		var again any
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%q is written %q: %v", text, written, err)
		}
		if !reflect.DeepEqual(again, std) {
			t.Fatalf("%q is written %q", text, written)
		}
	})
}

func TestTimesAreThoseOfKusto(t *testing.T) {
	for text, want := range map[string]string{
		"2017-01-01": "2017-01-01T00:00:00.0000000Z", "2017-01-01T06:00": "2017-01-01T06:00:00.0000000Z", "2015-12-31 23:59:59.9": "2015-12-31T23:59:59.9000000Z",
		"12-02-2022": "2022-12-02T00:00:00.0000000Z", "02/17/2016 08:40:01": "2016-02-17T08:40:01.0000000Z", "2024-05-01T10:00:00.1234567+02:00": "2024-05-01T08:00:00.1234567Z",
		"0001-01-01": "0001-01-01T00:00:00.0000000Z", "9999-12-31T23:59:59.9999999Z": "9999-12-31T23:59:59.9999999Z", "Sat, 8 Nov 2014 15:05:02 GMT": "2014-11-08T15:05:02.0000000Z",
	} {
		got, ok := ParseDateTime(text)
		if !ok || got.String() != want {
			t.Errorf("%s is %v, want %s", text, got, want)
		}
		if back := FromTime(got.Time()); back != got {
			t.Errorf("%s becomes %v as a time.Time", text, back)
		}
	}
	for _, text := range []string{"", "yesterday", "2024-13-01", "2024-02-30", "24:00"} {
		if got, ok := ParseDateTime(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
	if FromTime(time.Time{}) != 0 || FromTime(time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)) != Ticks(MaxTicks) || FromTime(time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)) != 0 {
		t.Error("the ends of time")
	}
}

func TestSpansAreThoseOfKusto(t *testing.T) {
	for text, want := range map[string]string{
		"1h": "01:00:00", "1.5d": "1.12:00:00", "-00:00:01": "-00:00:01", "2": "2.00:00:00", "1.02:03:04.5": "1.02:03:04.5000000", "10tick": "00:00:00.0000010",
		"00:05": "00:05:00", "3ms": "00:00:00.0030000",
	} {
		if got, ok := ParseSpan(text); !ok || got.String() != want {
			t.Errorf("%s is %v, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "x", "25:00", "1:60", "1.5", "1:2:3.12345678", "99999999999d"} {
		if got, ok := ParseSpan(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
	if Span(math.MinInt64).String() != "-10675199.02:48:05.4775808" {
		t.Error(Span(math.MinInt64).String())
	}
	if Span(math.MaxInt64).Duration() != math.MaxInt64 || FromDuration(time.Second) != Span(Second) {
		t.Error("durations")
	}
}
