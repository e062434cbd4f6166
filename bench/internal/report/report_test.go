package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/bench/internal/cases"
	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/bench/internal/report"
)

func rows() []harness.Row {
	none := 0.0
	size := func(x float64) harness.Plot { return harness.Plot{Picture: cases.LatencyOverSize, X: x} }
	return []harness.Row{
		{Name: "roundtrip/64B", Impl: "shoal", Value: 180, Unit: harness.Nanoseconds, P99: 2200, Allocs: &none, Runs: 5, Plot: size(64)},
		{Name: "roundtrip/64B", Impl: "pipe", Value: 54000, Unit: harness.Nanoseconds, Runs: 5, Ratio: 0.0033, Target: 0.033, Met: new(true), Plot: size(64)},
		{Name: "roundtrip/1KiB", Impl: "shoal", Value: 300, Unit: harness.Nanoseconds, Runs: 5, Plot: size(1024)},
		{Name: "roundtrip/1KiB", Impl: "pipe", Value: 55000, Unit: harness.Nanoseconds, Runs: 5, Plot: size(1024)},
		{Name: "roundtrip/1KiB", Impl: "net/rpc", Value: 55000, Unit: harness.Nanoseconds, Runs: 5, Plot: size(1024)},
		{Name: "mutex/alone", Impl: "c robust", Unit: harness.Nanoseconds, Target: 1, Error: "cc is missing: apt-get install gcc"},
		{Name: "unheard of", Impl: "shoal", Value: 3.5e6, Unit: harness.Nanoseconds, Runs: 5, Target: 1e6, Met: new(false)},
	}
}

func TestFill(t *testing.T) {
	tables := report.Tables("a machine", rows())
	document := "top\n<!-- bench: machine -->\nold\n<!-- end -->\nmiddle\n<!-- bench: targets -->\n<!-- end -->\nbottom\n"
	filled, err := report.Fill(document, tables)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"top\n", "a machine", "\nmiddle\n", "| 54.0 µs | 0.0033 | ≤ 0.033 | met |", "| 3.50 ms | | | | ≤ 1 ms | missed |", "1 of 3 targets", "\nbottom\n"} {
		if !strings.Contains(filled, want) {
			t.Errorf("no %q in\n%s", want, filled)
		}
	}
	if strings.Contains(filled, "old") {
		t.Error("the old text still stands")
	}
	again, err := report.Fill(filled, tables)
	if err != nil || again != filled {
		t.Errorf("filling it again changes it: %v\n%s", err, again)
	}
	for _, bad := range []string{"<!-- bench: nonsense -->\n<!-- end -->", "<!-- bench: machine -->\n"} {
		if _, err := report.Fill(bad, tables); err == nil {
			t.Errorf("%q is filled", bad)
		}
	}
}

// TestTables looks for each figure in one of the tables by case.
func TestTables(t *testing.T) {
	for _, r := range rows() {
		found := 0
		for _, table := range report.Tables("", rows())[7:] {
			if strings.Contains(table.Text, r.Name) {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s is in %d tables, want 1", r.Name, found)
		}
	}
	all := report.Markdown(report.Tables("", rows()))
	for _, want := range []string{"not measured: cc is missing: apt-get install gcc", "| a message there and back | 180 ns | pipe 54.0 µs |"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}

// TestDocuments fills the documents of this repository, so that a place without
// a table is found here and not after a long run.
func TestDocuments(t *testing.T) {
	for _, name := range []string{"docs/performance.md", "README.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "<!-- bench: ") {
			t.Errorf("%s has no place for a table", name)
		}
		if _, err := report.Fill(string(text), report.Tables("", rows())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPictures(t *testing.T) {
	dir := t.TempDir()
	names, err := report.Pictures(dir, rows())
	if err != nil || len(names) != 1 {
		t.Fatalf("got %v, %v", names, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, names[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", ">shoal<", ">pipe<", ">1 KiB<", ">10.0 µs<"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in the picture", want)
		}
	}
	if strings.Contains(string(text), "net/rpc") {
		t.Error("a single point is drawn as a line")
	}
}
