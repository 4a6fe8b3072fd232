package main
import ("testing";"os";"context";"io")
func TestProf(t *testing.T) { tb, err := measure(context.Background(), options{nulls: 40, effects: 40, seed: 1}, os.Stderr); if err != nil { t.Fatal(err) }; io.WriteString(io.Discard, tb.Markdown()) }
