package harness

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Recorded is a ratio of Shoal's median to a rival's that a good machine has shown.
type Recorded struct {
	Case  string  `json:"case"`
	Rival string  `json:"rival"`
	Ratio float64 `json:"ratio"`
}

// slack is how many times worse than the recorded ratio one may be.
const slack = 2

// attempts is how often a ratio must be too bad, one time after the other, before
// that is believed: a machine that others use shows anything once.
const attempts = 5

// Verdict is what the gate says about a ratio.
type Verdict struct {
	Recorded
	Seen   []float64 // the ratios, in order; none if it could not be had
	Passed bool
	Why    string // why it could not be had
}

func (v Verdict) String() string {
	word := "passed"
	switch {
	case len(v.Seen) == 0:
		return fmt.Sprintf("%s beside %s: not judged: %s", v.Case, v.Rival, v.Why)
	case !v.Passed:
		word = "WORSE"
	}
	return fmt.Sprintf("%s beside %s: %s: recorded ratio %.3g, seen %.3g", v.Case, v.Rival, word, v.Ratio, v.Seen)
}

// Gate measures the recorded ratios until each has once been better than the
// bound, or has been worse in every attempt. A ratio that cannot be had, because a
// rival is missing or the processors do not keep still, is not judged.
func Gate(ctx context.Context, tools *Tools, cases []Case, recorded []Recorded, plan Plan) ([]Verdict, error) {
	until := time.Now().Add(plan.Within)
	verdicts := make([]Verdict, len(recorded))
	for i, r := range recorded {
		at := slices.IndexFunc(cases, func(c Case) bool { return c.Name == r.Case })
		if at < 0 {
			return nil, fmt.Errorf("the gate knows no case %q", r.Case)
		}
		verdicts[i].Recorded = r
		// Each but the last may use twice its share of what is left.
		share := time.Until(until) / time.Duration(len(recorded)-i)
		if err := verdicts[i].judge(ctx, tools, cases[at].with(r.Rival), plan, time.Now().Add(2*share)); err != nil {
			return nil, err
		}
	}
	return verdicts, nil
}

// with returns the case with Shoal and one rival only.
func (c Case) with(rival string) Case {
	impls := []Impl{c.Impls[0]}
	for _, i := range c.Impls[1:] {
		if i.Name == rival {
			impls = append(impls, i)
		}
	}
	c.Impls = impls
	return c
}

func (v *Verdict) judge(ctx context.Context, tools *Tools, c Case, plan Plan, until time.Time) error {
	if len(c.Impls) != 2 {
		return fmt.Errorf("case %s has no rival %q", c.Name, v.Rival)
	}
	for range attempts {
		results, err := tools.run(ctx, c, plan, until)
		if err != nil {
			return err
		}
		row := Compare(c, results)[1]
		if row.Ratio == 0 {
			v.Why = row.Error
			for _, r := range results {
				if r.Err != nil {
					v.Why = r.Err.Error()
				}
			}
			return nil
		}
		v.Seen = append(v.Seen, row.Ratio)
		bound := Target{Ratio: v.Ratio * slack}
		if c.Unit.MoreIsBetter() {
			bound.Ratio = v.Ratio / slack
		}
		if v.Passed = bound.Met(c.Unit, row.Ratio); v.Passed {
			return nil
		}
	}
	return nil
}
