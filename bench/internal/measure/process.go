package measure

import (
	"context"
	"os"
	"os/exec"
	"time"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/process"
)

func processJobs() map[string]Job {
	return map[string]Job{
		"shoal/process": func(ctx context.Context, _ *Place) (harness.Sample, error) {
			return runs(func() error { return nothing.Run(ctx, struct{}{}) })
		},
		"go/exec": func(ctx context.Context, _ *Place) (harness.Sample, error) {
			self, err := os.Executable()
			if err != nil {
				return harness.Sample{}, err
			}
			return runs(func() error { return exec.CommandContext(ctx, self, "-measure", "go/nothing").Run() })
		},
		"go/nothing": func(context.Context, *Place) (harness.Sample, error) { return harness.Sample{}, nil },
	}
}

var nothing = process.Func("nothing", func(context.Context, struct{}) error { return nil })

// runs times starts of a process that does nothing, to its end.
func runs(run func() error) (harness.Sample, error) {
	times := make([]time.Duration, 100)
	for i := range times {
		start := time.Now()
		if err := run(); err != nil {
			return harness.Sample{}, err
		}
		times[i] = time.Since(start)
	}
	return timed(times), nil
}
