package harness

import "slices"

// Row is one figure, and how Shoal's compares to it.
type Row struct {
	Name   string   `json:"name"`
	Impl   string   `json:"impl"`
	Value  float64  `json:"value"` // the median; for a Bound the worst
	Low    float64  `json:"low"`
	High   float64  `json:"high"`
	Unit   Unit     `json:"unit"`
	P50    float64  `json:"p50,omitempty"`
	P99    float64  `json:"p99,omitempty"`
	P999   float64  `json:"p999,omitempty"`
	Allocs *float64 `json:"allocs,omitempty"` // of the operation; nil if not counted
	Runs   int      `json:"runs"`
	Target float64  `json:"target,omitempty"` // of the ratio; in the row of Shoal, of the value
	Ratio  float64  `json:"ratio,omitempty"`  // of Shoal's median to this one
	Met    *bool    `json:"met,omitempty"`
	Error  string   `json:"error,omitempty"`
	Text   string   `json:"text,omitempty"` // of the row that describes the machine
	// Distance of the processors, where it matters.
	Distance Distance `json:"distance,omitempty"`
	Plot
}

// Compare returns the rows of a case; the first result is Shoal's. The rows of
// its bounds follow.
func Compare(c Case, results []Result) []Row {
	rows := make([]Row, 0, len(results))
	mine := results[0].Median().Value
	for i, r := range results {
		m, all := r.Median(), r.values()
		row := Row{
			Name: c.Name, Impl: r.Impl, Value: m.Value, Unit: c.Unit,
			P50: m.P50, P99: m.P99, P999: m.P999, Allocs: m.Allocs, Runs: len(all), Plot: c.Plot, Distance: r.Distance,
		}
		if len(all) > 0 {
			row.Low, row.High = all[0], all[len(all)-1]
		}
		if r.Err != nil {
			row.Error = r.Err.Error()
		}
		if i > 0 && m.Value > 0 && mine > 0 {
			row.Ratio = mine / m.Value
		}
		for _, t := range c.Targets {
			if t.Rival != r.Impl {
				continue
			}
			row.Target = t.Ratio
			if row.Ratio > 0 {
				row.Met = new(t.Met(c.Unit, row.Ratio))
			}
		}
		rows = append(rows, row)
	}
	for _, b := range c.Bounds {
		rows = append(rows, b.rows(c, results)...)
	}
	return rows
}

// rows returns a row for each implementation that has the figure.
func (b Bound) rows(c Case, results []Result) []Row {
	var rows []Row
	for i, r := range results {
		all := r.figures(b.Of)
		if len(all) == 0 {
			if i == 0 {
				rows = append(rows, Row{Name: c.Name + ", " + b.Of, Impl: r.Impl, Unit: b.Unit, Target: b.Limit, Error: "no figure"})
			}
			continue
		}
		worst, more := slices.Max(all), b.Unit.MoreIsBetter()
		if more {
			worst = slices.Min(all)
		}
		row := Row{
			Name: c.Name + ", " + b.Of, Impl: r.Impl, Value: worst, Unit: b.Unit,
			Low: slices.Min(all), High: slices.Max(all), Runs: len(all), Distance: r.Distance,
		}
		if i == 0 {
			met := worst <= b.Limit
			if more {
				met = worst >= b.Limit
			}
			row.Target, row.Met = b.Limit, &met
		}
		rows = append(rows, row)
	}
	return rows
}
