// Package proof is what the kinds of proof have in common: how far a run goes,
// and the line that says what it tried. The kinds themselves are tests whose
// names begin with TestProof, most of them in the folders below this one;
// docs/verification.md says what each shows and what it cannot.
//
// A bounded form of every proof runs with the ordinary tests. The command prove
// runs them in full and adds up what they report.
package proof

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Kind is a kind of proof.
type Kind string

// The kinds, in the order in which they are reported.
const (
	KillSweep       Kind = "kill sweep"
	SingleStep      Kind = "single step"
	Exploration     Kind = "exploration"
	Linearizability Kind = "linearizability"
	Litmus          Kind = "litmus"
	Scribbler       Kind = "scribbler"
	Model           Kind = "model"
	Soak            Kind = "soak"
)

// Kinds returns the kinds that a full run has to report.
func Kinds() []Kind {
	return []Kind{KillSweep, SingleStep, Exploration, Linearizability, Litmus, Scribbler, Model}
}

// Variable is set to "full" in the environment of a full run, and to "wide" in that
// of one that tries more than every run of the tests, and less than a full one.
const Variable = "SHOAL_PROOF"

// Full says whether this run is to try everything, and not only as much as every
// run of the tests can afford.
func Full() bool { return os.Getenv(Variable) == "full" }

// Wide says whether this run is to try more than every run of the tests can afford:
// a full run does, too.
func Wide() bool { return Full() || os.Getenv(Variable) == "wide" }

// Count is how much of something was tried, such as 8213 "kill points". Equal
// units of one kind are added up.
type Count struct {
	N    int
	Unit string
}

// Prefix begins the line of a report.
const Prefix = "proof: "

// Report prints what a proof has tried, unless it failed. Call it at the end of
// the test.
func Report(t testing.TB, kind Kind, counts ...Count) {
	t.Helper()
	if t.Failed() {
		return
	}
	// Not by t.Log, which puts a file and a line number before it.
	if _, err := os.Stdout.WriteString(Line(kind, counts...) + "\n"); err != nil {
		t.Error(err)
	}
}

// Line returns the line of a report.
func Line(kind Kind, counts ...Count) string {
	var b strings.Builder
	b.WriteString(Prefix + string(kind))
	for i, c := range counts {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%d %s", sep, c.N, c.Unit)
	}
	return b.String()
}
