// Package loganalytics reads telemetry from Application Insights through the Log Analytics query API.
package loganalytics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/monitor/query/azlogs"

	"github.com/slipway-cd/slipway/internal/azure"
)

// Column of an answer. Type is Kusto's name: string, long, real, datetime …
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Answer is the primary table of a query's result. Numbers are float64 (whole ones are exact up to 2^53), datetimes and
// timespans text, as the SDK decodes them.
type Answer struct {
	Columns []Column
	Rows    [][]any
}

// Client asks one workspace.
type Client struct {
	logs      *azlogs.Client
	workspace string
	wait      int
}

// Options of a [Client].
type Options struct {
	// Workspace is its id, a GUID.
	Workspace string
	// Client says where the service is, for whom a token must be and how a request is tried again.
	Client azcore.ClientOptions
	// Wait bounds the time the service may take over a query; default 60 s.
	Wait time.Duration
}

// NewClient makes a client. It asks nothing yet.
func NewClient(cred azcore.TokenCredential, o Options) (*Client, error) {
	if o.Wait <= 0 {
		o.Wait = time.Minute
	}
	client := azure.Patient(o.Client, o.Wait+10*time.Second)
	logs, err := azlogs.NewClient(cred, &azlogs.ClientOptions{ClientOptions: client})
	if err != nil {
		return nil, fmt.Errorf("making a Log Analytics client: %w", err)
	}
	return &Client{logs: logs, workspace: o.Workspace, wait: int(o.Wait.Seconds())}, nil
}

// partialTries is how often a query is asked that gets partial answers.
const partialTries = 3

// Query asks; the SDK tries again what may succeed, and gets a new token in time. An answer that the service calls partial is
// asked for again too. Every error is a *[QueryError].
func (c *Client) Query(ctx context.Context, query string) (Answer, error) {
	for try := 1; ; try++ {
		a, err := c.once(ctx, query)
		var q *QueryError
		if !errors.As(err, &q) || q.Kind != Partial || try == partialTries || ctx.Err() != nil {
			return a, err
		}
	}
}

func (c *Client) once(ctx context.Context, query string) (Answer, error) {
	resp, err := c.logs.QueryWorkspace(ctx, c.workspace, azlogs.QueryBody{Query: &query},
		&azlogs.QueryWorkspaceOptions{Options: &azlogs.QueryOptions{Wait: &c.wait}})
	if err != nil {
		return Answer{}, explain(err, c.workspace)
	}
	if resp.Error != nil {
		return Answer{}, partial(resp.Error)
	}
	for _, t := range resp.Tables {
		if t.Name != nil && *t.Name != "PrimaryResult" {
			continue
		}
		a := Answer{Rows: make([][]any, len(t.Rows))}
		for _, col := range t.Columns {
			a.Columns = append(a.Columns, Column{Name: deref(col.Name), Type: string(deref(col.Type))})
		}
		for i, row := range t.Rows {
			a.Rows[i] = row
		}
		return a, nil
	}
	return Answer{}, &QueryError{Kind: Unavailable, Status: http.StatusOK, Message: "the answer has no table PrimaryResult"}
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
