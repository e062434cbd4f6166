package measure

import (
	"context"
	"fmt"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/value"
)

// burst is how many operations are timed as one, so that a loop and the call of
// a function cost little beside them.
const burst = 1000

func cellJobs() map[string]Job {
	return map[string]Job{
		"shoal/atomic": shoalAtomic,
		"shoal/value":  shoalValue,
		"shoal/array":  shoalArray,
	}
}

// counters opens an array of counters, one for each side.
func (p *Place) counters(ctx context.Context) (*array.Atomic[int64], error) {
	seg, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	return array.OpenOrCreateAtomic[int64](ctx, seg, "counters", array.Spec{Len: p.Sides})
}

func shoalAtomic(ctx context.Context, p *Place) (harness.Sample, error) {
	seg, err := p.open(ctx)
	if err != nil {
		return harness.Sample{}, err
	}
	n, err := value.CreateAtomic(ctx, seg, "n", int64(0))
	if err != nil {
		return harness.Sample{}, err
	}
	sum := int64(0)
	ops := map[string]func(){
		"load": func() {
			x := int64(0) // here, and not in sum, whose loads and stores would hide what the others cost
			for range burst {
				x += n.Load()
			}
			sum += x
		},
		"store": func() {
			for i := range int64(burst) {
				n.Store(i)
			}
		},
		"add": func() {
			for range burst {
				n.Add(1)
			}
		},
	}
	return p.operation(ops, 20000)
}

// operation times the one that the argument op names.
func (p *Place) operation(ops map[string]func(), n int) (harness.Sample, error) {
	f := ops[p.Args["op"]]
	if f == nil {
		return harness.Sample{}, fmt.Errorf("no operation %q", p.Args["op"])
	}
	return repeated(n, burst, f), nil
}

func shoalValue(ctx context.Context, p *Place) (harness.Sample, error) {
	seg, err := p.open(ctx)
	if err != nil {
		return harness.Sample{}, err
	}
	v, err := value.Create(ctx, seg, "v", msg64{})
	if err != nil {
		return harness.Sample{}, err
	}
	var failed error
	var sum byte
	ops := map[string]func(){
		"load": func() {
			for range burst {
				x := v.Load()
				sum += x[7]
			}
		},
		"store": func() {
			var x msg64
			for i := range burst {
				x[0] = byte(i)
				if err := v.Store(ctx, x); err != nil {
					failed = err
				}
			}
		},
	}
	s, err := p.operation(ops, 2000)
	if err == nil {
		err = failed
	}
	return s, err
}

func shoalArray(ctx context.Context, p *Place) (harness.Sample, error) {
	seg, err := p.open(ctx)
	if err != nil {
		return harness.Sample{}, err
	}
	const size = 64 << 10
	a, err := array.Create[int64](ctx, seg, "a", array.Spec{Len: size / 8})
	if err != nil {
		return harness.Sample{}, err
	}
	local, sum := make([]int64, size/8), int64(0)
	ops := map[string]func(){
		"at": func() {
			x := int64(0)
			for i := range burst {
				x += a.At(i)
			}
			sum += x
		},
		"set": func() {
			for i := range burst {
				a.Set(i, int64(i))
			}
		},
	}
	switch p.Args["op"] {
	case "copyin":
		s := repeated(20000, 1, func() { a.CopyIn(0, local) })
		return harness.Sample{Value: size / s.Value, Allocs: s.Allocs}, nil
	case "copyout":
		s := repeated(20000, 1, func() { a.CopyOut(0, local) })
		return harness.Sample{Value: size / s.Value, Allocs: s.Allocs}, nil
	}
	return p.operation(ops, 20000)
}
