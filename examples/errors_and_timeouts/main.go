// Errors_and_timeouts gives tasks to a pool, one after the other, and waits for
// each no longer than a limit. One of them fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
)

// errOccurred is found again by errors.Is in the process that gave the task.
var errOccurred = errors.New("An error has occurred!") //nolint:staticcheck // as it is printed

var f = pool.Func("f", func(_ context.Context, x int) (int, error) {
	if x == 5 {
		return 0, errOccurred
	}
	return x * x, nil
})

func main() {
	process.Main()
	limit := flag.Duration("limit", time.Second, "how long to wait for each result")
	flag.Parse()
	if err := run(context.Background(), *limit); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, limit time.Duration) error {
	p, err := pool.New(ctx, &pool.Options{Workers: 4})
	if err != nil {
		return err
	}
	defer p.Close()
	for x := range 10 {
		result, err := get(ctx, f.Go(ctx, p, x), limit)
		var died *pool.WorkerDiedError
		switch {
		case errors.As(err, &died):
			return err // somebody has killed it: that is no fault of the task's
		case errors.Is(err, errOccurred):
			fmt.Println("Caught exception: ", err)
			fmt.Println(nil)
		case err != nil: // context.DeadlineExceeded, for one
			fmt.Println("Caught exception: ", err)
		default:
			fmt.Println(result)
		}
	}
	return p.Shutdown(ctx)
}

// get waits for a result until the limit. The task goes on if it takes longer.
func get(ctx context.Context, future *pool.Future[int], limit time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return future.Get(ctx)
}
