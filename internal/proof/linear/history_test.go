//go:build linux

package linear

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// history is what happened to one object, from its creation on.
type history struct {
	variant int
	calls   []call
	deaths  []death
	lanes   int
}

// death is the end of a process: after from it lived no more, by to all that it
// held was given back. What it was doing happened before to, or never.
type death struct {
	proc     int
	from, to int64
}

// crowd notes which calls had others beside them.
func (h *history) crowd() {
	for i := range h.calls {
		c := &h.calls[i]
		for k := range h.calls {
			d := &h.calls[k]
			c.crowded = c.crowded || i != k && c.begin <= d.end && d.begin <= c.end
		}
		for _, d := range h.deaths {
			c.crowded = c.crowded || c.begin <= d.to && d.from <= c.end
		}
	}
}

// step is one thing that takes effect at one moment. Most calls are one.
type step struct {
	*call        // nil if it is a death
	part     int // of a call, or of a death, that is several
	dead     int // the process that died
	describe func(step) string
}

// within makes s an operation that takes effect between two times.
func within(s step, lane int, from, to int64) porcupine.Operation {
	return porcupine.Operation{ClientId: lane, Input: s, Call: from, Return: to}
}

// steps makes n steps of each call, and as many of each death as deathSteps says.
func (h *history) steps(describe func(step) string, n func(*call) int, deathSteps func(death) int) []porcupine.Operation {
	var list []porcupine.Operation
	for i := range h.calls {
		c := &h.calls[i]
		for part := range n(c) {
			list = append(list, within(step{call: c, part: part, describe: describe}, c.lane, c.begin, c.end))
		}
	}
	for i, d := range h.deaths {
		for part := range deathSteps(d) {
			list = append(list, within(step{dead: d.proc, part: part, describe: describe}, h.lanes+i, d.from, d.to))
		}
	}
	return list
}

func one[T any](T) int { return 1 }

// spec is a model: what may follow from a step. No state: the step is impossible.
type spec[S comparable] struct {
	begin S
	next  func(S, step) []S
	show  func(S) string
}

func (sp spec[S]) model() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{sp.begin} },
		Step: func(state, input, _ any) []any {
			s, ok := state.(S)
			x, is := input.(step)
			if !ok || !is {
				panic("linear: a state or step of another model")
			}
			var list []any
			for _, n := range sp.next(s, x) {
				list = append(list, n)
			}
			return list
		},
		DescribeOperation: func(input, _ any) string {
			if x, ok := input.(step); ok {
				return x.describe(x)
			}
			return "?"
		},
	}
	if sp.show != nil {
		m.DescribeState = func(state any) string {
			if s, ok := state.(S); ok {
				return sp.show(s)
			}
			return "?"
		}
	}
	return m.ToModel()
}

// only returns s if ok, else nothing.
func only[S any](ok bool, s S) []S {
	if ok {
		return []S{s}
	}
	return nil
}

const checkPatience = time.Minute

// verdict checks h by the model of k, each part of it for itself.
func verdict(k kind, h *history) (porcupine.CheckResult, porcupine.Model, porcupine.LinearizationInfo) {
	h.crowd()
	result := porcupine.Ok
	var model porcupine.Model
	var info porcupine.LinearizationInfo
	for _, part := range k.check(h) {
		r, i := porcupine.CheckOperationsVerbose(part.model, part.operations, checkPatience)
		if result == porcupine.Ok {
			result, model, info = r, part.model, i
		}
	}
	return result, model, info
}

// part is a part of a history that can be checked alone, such as what happened to
// one of several registers.
type part struct {
	model      porcupine.Model
	operations []porcupine.Operation
}

// check fails the test if h has no order that the model of k allows, and leaves a
// picture of it.
func check(t *testing.T, k kind, h *history) {
	t.Helper()
	result, model, info := verdict(k, h)
	if result == porcupine.Ok {
		return
	}
	t.Errorf("%s, variant %d: %s; see %s\n%s", k.name, h.variant, result, picture(t, model, info), h)
}

// picture draws the attempt that came furthest, and returns the name of the file,
// which is there after the test.
func picture(t *testing.T, model porcupine.Model, info porcupine.LinearizationInfo) string {
	t.Helper()
	dir := t.ArtifactDir()
	if f := flag.Lookup("test.artifacts"); f == nil || f.Value.String() != "true" {
		var err error
		if dir, err = os.MkdirTemp("", "shoal-linear-"); err != nil { //nolint:usetesting // it outlives the test
			t.Fatal(err)
		}
	}
	name := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+".html")
	if err := porcupine.VisualizePath(model, info, name); err != nil {
		t.Error(err)
	}
	return name
}

func (h *history) String() string {
	var b strings.Builder
	for _, c := range h.calls {
		fmt.Fprintf(&b, "%d..%d lane %d of %d: op %d %v -> %d %v pending %v\n",
			c.begin, c.end, c.lane, c.proc, c.op, c.in, c.code, c.out, c.pending)
	}
	for _, d := range h.deaths {
		fmt.Fprintf(&b, "%d..%d death of %d\n", d.from, d.to, d.proc)
	}
	return b.String()
}
