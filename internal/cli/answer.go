package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
)

// answerFormats are how a table of telemetry can be printed.
var answerFormats = []string{"table", "json", "csv"}

// answerFlag adds -o for a table of telemetry.
func (a *app) answerFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.table, "output", "o", "table", "table, csv, or json: as Log Analytics answers")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(answerFormats, cobra.ShellCompDirectiveNoFileComp))
}

func (a *app) checkAnswerFormat() error {
	for _, f := range answerFormats {
		if a.table == f {
			return nil
		}
	}
	return &usageError{err: fmt.Errorf("-o %s is not known: it is %s", a.table, strings.Join(answerFormats, ", "))}
}

// printAnswer prints a table of telemetry.
func (a *app) printAnswer(answer loganalytics.Answer) error {
	switch a.table {
	case "json":
		return writeAnswerJSON(a.Out, answer)
	case "csv":
		w := csv.NewWriter(a.Out)
		if err := w.Write(names(answer)); err != nil {
			return err
		}
		for _, row := range answer.Rows {
			if err := w.Write(cells(answer, row)); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	}
	w := tabwriter.NewWriter(a.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(names(answer), "\t"))
	for _, row := range answer.Rows {
		line := cells(answer, row)
		for i := range line {
			line[i] = strings.NewReplacer("\t", " ", "\n", " ").Replace(line[i])
		}
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(answer.Rows) == 0 {
		fmt.Fprintln(a.Err, "no rows")
	}
	return nil
}

func names(answer loganalytics.Answer) []string {
	out := make([]string, len(answer.Columns))
	for i, c := range answer.Columns {
		out[i] = c.Name
	}
	return out
}

func cells(answer loganalytics.Answer, row []any) []string {
	out := make([]string, len(row))
	for i, v := range row {
		switch v := v.(type) {
		case nil:
		case string:
			out[i] = v
		case int64:
			out[i] = strconv.FormatInt(v, 10)
		case float64:
			if t := answer.Columns[i].Type; t == "long" || t == "int" {
				out[i] = strconv.FormatFloat(v, 'f', 0, 64)
			} else {
				out[i] = strconv.FormatFloat(v, 'g', -1, 64)
			}
		default:
			raw, err := json.Marshal(v)
			if err != nil {
				raw = fmt.Append(nil, v)
			}
			out[i] = string(raw)
		}
	}
	return out
}

// writeAnswerJSON writes the shape of the Log Analytics query API, a row a line.
func writeAnswerJSON(w io.Writer, answer loganalytics.Answer) error {
	var b strings.Builder
	b.WriteString(`{"tables":[{"name":"PrimaryResult","columns":`)
	columns, err := json.Marshal(answer.Columns)
	if err != nil {
		return err
	}
	b.Write(columns)
	b.WriteString(`,"rows":[`)
	for i, row := range answer.Rows {
		if i > 0 {
			b.WriteByte(',')
		}
		raw, err := json.Marshal(row)
		if err != nil {
			return fmt.Errorf("row %d: %w", i+1, err)
		}
		b.WriteByte('\n')
		b.Write(raw)
	}
	b.WriteString("]}]}\n")
	_, err = io.WriteString(w, b.String())
	return err
}
