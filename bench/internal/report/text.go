// Package report shows what was measured: as a table for the terminal, as tables
// and pictures for the documents.
package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

// Text writes the rows of a case for the terminal.
func Text(out io.Writer, rows []harness.Row) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	name := ""
	for _, r := range rows {
		shown := label(r)
		if r.Name == name {
			shown = ""
		}
		name = r.Name
		fmt.Fprintf(w, "%s\t%s\t%s\n", shown, r.Impl, strings.Join(cells(r), "\t"))
	}
	fmt.Fprintln(w)
	return w.Flush()
}

// label returns the name of a row's case, and where the processors were if they
// were not where they mostly are.
func label(r harness.Row) string {
	if r.Distance == "" || r.Distance == harness.Near {
		return r.Name
	}
	return fmt.Sprintf("%s (%s)", r.Name, r.Distance)
}

// cells returns the figures of a row: median, range, percentiles, allocations,
// ratio, target and verdict.
func cells(r harness.Row) []string {
	if r.Runs == 0 {
		return []string{"–", "", "", "", "", target(r), "not measured: " + firstLine(r.Error)}
	}
	list := []string{figure(r.Value, r.Unit), figure(r.Low, r.Unit) + "–" + figure(r.High, r.Unit), "", "", "", "", ""}
	if r.P99 > 0 {
		list[2] = fmt.Sprintf("%s / %s", figure(r.P99, harness.Nanoseconds), figure(r.P999, harness.Nanoseconds))
	}
	if r.Allocs != nil {
		list[3] = number(*r.Allocs)
	}
	if r.Ratio > 0 {
		list[4] = number(r.Ratio)
	}
	list[5] = target(r)
	if r.Met != nil {
		list[6] = "met"
		if !*r.Met {
			list[6] = "missed"
		}
	}
	if r.Error != "" {
		list[6] += fmt.Sprintf(" (%d runs, then: %s)", r.Runs, firstLine(r.Error))
	}
	return list
}

// shoal is the name of Shoal's row in each case.
const shoal = "shoal"

// columns are the names of what cells returns.
var columns = []string{"median", "from–to", "p99 / p99.9", "allocs", "ratio", "target", ""}

// Columns returns the line above the table for the terminal.
func Columns() string {
	return "case, implementation, " + strings.Join(columns, ", ") + "met; the ratio is that of Shoal's median to the other's"
}

// target returns what the row aims at: a ratio, or for Shoal's own a figure.
func target(r harness.Row) string {
	if r.Target == 0 {
		return ""
	}
	sign := "≤ "
	if r.Unit.MoreIsBetter() {
		sign = "≥ "
	}
	if r.Impl == shoal {
		return sign + figure(r.Target, r.Unit)
	}
	return sign + number(r.Target)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.ReplaceAll(line, "|", "/") // which ends a cell
}

// scales are the names of a unit's thousandths and thousands.
var scales = map[harness.Unit][]struct {
	from, by float64
	name     string
}{
	harness.Nanoseconds: {{1e9, 1e-9, " s"}, {1e6, 1e-6, " ms"}, {1e3, 1e-3, " µs"}, {0, 1, " ns"}},
	harness.Millions:    {{1, 1, " M/s"}, {0, 1e3, " k/s"}},
	harness.Gigabytes:   {{0, 1, " GB/s"}},
	harness.Percent:     {{0, 1, " %"}},
	harness.Mebibytes:   {{0, 1, " MiB"}},
	harness.Count:       {{0, 1, ""}},
}

// figure returns a value with three digits and its unit.
func figure(v float64, u harness.Unit) string {
	for _, s := range scales[u] {
		if v >= s.from*0.9995 { // what is shown as 1000 is 1 of the next
			return number(v*s.by) + s.name
		}
	}
	return number(v)
}

// number returns v with three digits, without an exponent.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1 || v == 0:
		return strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00")
	}
	return fmt.Sprintf("%.2g", v)
}
