package recorded_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/internal/telemetry/recorded"
	"github.com/slipway-cd/slipway/kql/recording"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// workspace is a recording that is asked as if it were a workspace.
func workspace(t *testing.T) *recorded.Source {
	t.Helper()
	dir := t.TempDir()
	var lines strings.Builder
	for i := range 180 {
		at := noon.Add(time.Duration(i) * time.Second)
		fmt.Fprintf(&lines, `{"TimeGenerated":%q,"_IngestedAt":%q,"Id":"r%d","Success":%v,"DurationMs":%d.5,"ItemCount":2,"ResultCode":"200","Properties":{"slot":"green","n":%d}}`+"\n",
			at.Format(time.RFC3339Nano), at.Add(2*time.Second).Format(time.RFC3339Nano), i, i%10 != 0, i, i)
	}
	if err := os.WriteFile(filepath.Join(dir, "AppRequests.jsonl"), []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"AppDependencies", "AppExceptions", "AppTraces", "AppAvailabilityResults", "AppMetrics", "AppEvents", "AppPageViews", "AppPerformanceCounters"} {
		if err := os.WriteFile(filepath.Join(dir, table+".jsonl"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := recording.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &recorded.Source{Database: r}
}

func ask(t *testing.T, q loganalytics.Querier, query string) [][]any {
	t.Helper()
	a, err := q.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return a.Rows
}

func TestWhatIsRecordedAnswersAsTheWorkspaceDid(t *testing.T) {
	from := workspace(t)
	dir := filepath.Join(t.TempDir(), "incident")
	counts := map[string]int{}
	err := recorded.Record(t.Context(), from, dir, noon.Add(10*time.Second), noon.Add(130*time.Second), func(table string, rows int) { counts[table] = rows })
	if err != nil {
		t.Fatal(err)
	}
	if counts["AppRequests"] != 120 || len(counts) != 9 {
		t.Errorf("%v", counts)
	}
	r, err := recording.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		"AppRequests | summarize count(), sum(ItemCount), countif(Success == false), sum(DurationMs), max(ingestion_time() - TimeGenerated) by tostring(Properties.slot)",
		"AppRequests | sort by TimeGenerated asc | project Id, TimeGenerated, Properties, ResultCode | take 3",
	} {
		bounded := strings.Replace(query, "AppRequests", "AppRequests | where TimeGenerated >= datetime(2026-11-25 12:00:10) and TimeGenerated < datetime(2026-11-25 12:02:10)", 1)
		want := ask(t, from, bounded)
		if got := ask(t, &recorded.Source{Database: r}, query); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %v\nwant %v", query, got, want)
		}
	}
}

// broken answers until its nth question.
type broken struct {
	loganalytics.Querier
	after int
}

func (b *broken) Query(ctx context.Context, query string) (loganalytics.Answer, error) {
	if b.after--; b.after < 0 {
		return loganalytics.Answer{}, errors.New("HTTP 503")
	}
	return b.Querier.Query(ctx, query)
}

func TestNothingIsLeftOfARecordingThatFailed(t *testing.T) {
	for after := range 4 {
		parent := t.TempDir()
		err := recorded.Record(t.Context(), &broken{workspace(t), after}, filepath.Join(parent, "r"), noon, noon.Add(time.Hour), func(string, int) {})
		if err == nil || !strings.Contains(err.Error(), "HTTP 503") {
			t.Errorf("%v", err)
		}
		left, err := os.ReadDir(parent)
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func TestARecordingThatExistsIsNotTouched(t *testing.T) {
	dir := t.TempDir()
	err := recorded.Record(t.Context(), workspace(t), dir, noon, noon.Add(time.Hour), func(string, int) {})
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v", err)
	}
}

func TestAnErrorOfTheQueryHasItsPlace(t *testing.T) {
	_, err := workspace(t).Query(t.Context(), "AppRequests\n| where Nope > 1")
	var q *loganalytics.QueryError
	if !errors.As(err, &q) || q.Kind != loganalytics.Wrong || q.Line != 2 || q.Column != 9 {
		t.Errorf("%v", err)
	}
}
