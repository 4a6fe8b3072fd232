package promql_test

import (
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/internal/promql"
)

func TestVariablesStandForAnArm(t *testing.T) {
	a := promql.Arm{Namespace: "shop", Slot: "green", Release: "web-green", Service: "web-green-http"}
	for query, want := range map[string]string{
		`n{ns="$namespace",s="$slot",r="$release",svc=~".*-$service-[0-9]+$"}`: `n{ns="shop",s="green",r="web-green",svc=~".*-web-green-http-[0-9]+$"}`,
		`n{a="$slots",b="$other",c="$"}`:                                       `n{a="$slots",b="$other",c="$"}`,
	} {
		if got := a.Of(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestWhatIsNoQueryForCountersIsSaidWithItsPlace(t *testing.T) {
	for query, says := range map[string]string{
		`n{s="green"}`:                    "",
		`sum by (pod) (n{s="green"})`:     "",
		`increase(n{s="green"}[1m])`:      "",
		`n{s=green}`:                      "1:5: parse error",
		`1`:                               "it gives a scalar",
		`n{s="green"}[5m]`:                "it gives a range vector",
		``:                                "no expression found",
		`sum(n`:                           "unclosed left parenthesis",
		`n{s=~"("}`:                       "error parsing regexp",
		strings.Repeat("(", 10_000) + "n": "unclosed left parenthesis",
	} {
		err := promql.Check(query)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%.40s: %v, want %q", query, err, says)
		}
	}
}

func TestOnlyAPlainSelectorCanBeReadFromMetrics(t *testing.T) {
	if m, err := promql.Selector(`n{code=~"5..",s!="x"}`); err != nil || len(m) != 3 {
		t.Errorf("%v, %v", m, err)
	}
	for _, query := range []string{`sum(n)`, `n[5m]`, `n offset 5m`, `rate(n[1m])`, `{}`} {
		if _, err := promql.Selector(query); err == nil || !strings.Contains(err.Error(), "must be a plain selector") {
			t.Errorf("%s: %v", query, err)
		}
	}
}
