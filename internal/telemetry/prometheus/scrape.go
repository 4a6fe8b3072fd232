package prometheus

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/slipway-cd/slipway/internal/promql"
)

// Scrape reads metrics where they are exposed, in Prometheus' text format.
type Scrape struct {
	// URLs of all that expose a part: each replica of a gateway counts what went through it.
	URLs   []string
	Client *http.Client // default: http.DefaultClient
	Now    func() time.Time
}

// maxExposition bounds what is read of one exposition, in bytes.
const maxExposition = 64 << 20

// Read implements [Reader]. All or nothing: without one of the replicas the counts would be wrong.
func (s Scrape) Read(ctx context.Context, queries []string) (time.Time, []model.Vector, error) {
	selectors := make([][]*labels.Matcher, len(queries))
	for i, q := range queries {
		var err error
		if selectors[i], err = promql.Selector(q); err != nil {
			return time.Time{}, nil, fmt.Errorf("%s: %w", q, err)
		}
	}
	found := make([]model.Vector, len(queries))
	for _, url := range s.URLs {
		all, err := s.fetch(ctx, url)
		if err != nil {
			return time.Time{}, nil, fmt.Errorf("reading %s: %w", url, err)
		}
		for _, sample := range all {
			if len(s.URLs) > 1 {
				sample.Metric["instance"] = model.LabelValue(url) // as a server would tell replicas apart
			}
			for i, matchers := range selectors {
				if matches(sample.Metric, matchers) {
					found[i] = append(found[i], sample)
				}
			}
		}
	}
	return s.Now(), found, nil
}

func (s Scrape) fetch(ctx context.Context, url string) (model.Vector, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
	client := s.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", resp.Status)
	}
	text := expfmt.NewTextParser(model.UTF8Validation)
	families, err := text.TextToMetricFamilies(http.MaxBytesReader(nil, resp.Body, maxExposition))
	if err != nil {
		return nil, fmt.Errorf("it does not answer in Prometheus' text format: %w", err)
	}
	var all model.Vector
	for _, f := range families {
		vector, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{Timestamp: model.TimeFromUnixNano(s.Now().UnixNano())}, f)
		if err != nil {
			return nil, fmt.Errorf("metric %s: %w", f.GetName(), err)
		}
		all = append(all, vector...)
	}
	return all, nil
}

func matches(metric model.Metric, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(string(metric[model.LabelName(m.Name)])) {
			return false
		}
	}
	return true
}
