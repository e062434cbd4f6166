package harness

import "fmt"

// Row is one figure, and how Shoal's compares to it.
type Row struct {
	Name   string  `json:"name"`
	Impl   string  `json:"impl"`
	Value  float64 `json:"value"` // the median
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Unit   Unit    `json:"unit"`
	P50    float64 `json:"p50,omitempty"`
	P99    float64 `json:"p99,omitempty"`
	P999   float64 `json:"p999,omitempty"`
	Allocs float64 `json:"allocs"`
	Runs   int     `json:"runs"`
	Target float64 `json:"target,omitempty"` // of the ratio
	Ratio  float64 `json:"ratio,omitempty"`  // of Shoal's median to this one
	Met    *bool   `json:"met,omitempty"`
	Error  string  `json:"error,omitempty"`
}

// Compare returns the rows of a case; the first result is Shoal's.
func Compare(c Case, results []Result) []Row {
	rows := make([]Row, len(results))
	mine := results[0].Median().Value
	for i, r := range results {
		m := r.Median()
		row := Row{
			Name: r.Case, Impl: r.Impl, Value: m.Value, Unit: r.Unit,
			P50: m.P50, P99: m.P99, P999: m.P999, Allocs: m.Allocs, Runs: len(r.Samples),
		}
		row.Low, row.High = r.Range()
		if r.Err != nil {
			row.Error = r.Err.Error()
		}
		if i > 0 && m.Value > 0 && mine > 0 {
			row.Ratio = mine / m.Value
		}
		for _, t := range c.Targets {
			if t.Rival == r.Impl && row.Ratio > 0 {
				met := t.Met(c.Unit, row.Ratio)
				row.Target, row.Met = t.Ratio, &met
			}
		}
		rows[i] = row
	}
	return rows
}

// Text returns the figure as a cell of the table.
func (r Row) Text() string {
	if r.Runs == 0 {
		return "- " + r.Error
	}
	s := fmt.Sprintf("%.4g %s (%.4g–%.4g)", r.Value, r.Unit, r.Low, r.High)
	if r.P99 > 0 {
		s += fmt.Sprintf("\tp99 %.4g", r.P99)
	} else {
		s += "\t"
	}
	if r.Ratio > 0 {
		s += fmt.Sprintf("\tratio %.3g", r.Ratio)
	}
	if r.Met != nil {
		verdict := "missed"
		if *r.Met {
			verdict = "met"
		}
		s += fmt.Sprintf("\ttarget %.3g: %s", r.Target, verdict)
	}
	if r.Error != "" {
		s += "\t(" + r.Error + ")"
	}
	return s
}
