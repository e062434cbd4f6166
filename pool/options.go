package pool

import (
	"fmt"
	"io/fs"
	"runtime"
	"time"
)

// Options says how a pool works. A nil *Options is the zero value; a negative
// field is fs.ErrInvalid.
type Options struct {
	// Workers is the number of worker processes; default runtime.GOMAXPROCS(0).
	Workers int
	// TasksPerWorker is after how many tasks a worker is replaced by a fresh
	// one; default 0: never.
	TasksPerWorker int
	// Retries is how often a task is run again when its worker died; default 0,
	// since only the caller knows whether a task may run twice.
	Retries int
	// Chunk is how many tasks are sent to a worker at once; default: by their
	// number, and by how long they take.
	Chunk int
	// Grace is the time from the end of a task's ctx to the kill of its worker;
	// default one second.
	Grace time.Duration
}

const defaultGrace = time.Second

// mostWorkers keeps the participants of a pool's segment in their bounds.
const mostWorkers = 1000

// withDefaults returns o with the defaults filled in.
func (o *Options) withDefaults() (Options, error) {
	var all Options
	if o != nil {
		all = *o
	}
	if all.Workers < 0 || all.Workers > mostWorkers || all.TasksPerWorker < 0 || all.Retries < 0 || all.Chunk < 0 || all.Grace < 0 {
		return all, fmt.Errorf("pool: options %+v: %w", all, fs.ErrInvalid)
	}
	if all.Workers == 0 {
		all.Workers = min(runtime.GOMAXPROCS(0), mostWorkers)
	}
	if all.Grace == 0 {
		all.Grace = defaultGrace
	}
	return all, nil
}
