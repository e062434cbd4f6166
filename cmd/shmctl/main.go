// Command shmctl shows, checks and cleans the segments of Shoal.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/shoal-ipc/shoal/cmd/shmctl/internal/ctl"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := ctl.Run(ctx, os.Args[1:], ctl.Streams{Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
