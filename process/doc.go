// Package process runs functions in child processes of the same executable.
//
// A Function is registered in a package-level variable and started by Run,
// Start or Command. The child is a new process of this very executable (also if
// the file was replaced or deleted meanwhile), whose Main runs the function and
// exits; Main must therefore come first in main, or in TestMain:
//
//	var greet = process.Func("greet", func(ctx context.Context, name string) error {
//		_, err := fmt.Println("hello", name)
//		return err
//	})
//
//	func main() {
//		process.Main()
//		if err := greet.Run(context.Background(), "world"); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// # Arguments
//
// The argument is encoded when the child is started, so that parent and child
// share nothing but what is shared memory. Handles (queues, values, locks, …)
// and segments travel anywhere in it: the child gets its own handle on the same
// memory, through an inherited descriptor, so that neither a name nor a path
// need to exist any more. An *os.File is inherited, which includes listeners
// and pipes (by their File method). What would be lost on the way (a function,
// a channel, an unexported field that is not zero, a handle inside an
// interface) is an error of Start; `cbor:"-"` on a field leaves it out on
// purpose.
//
// # The end of a child
//
// A child ends when its function returns. Stop cancels the function's context,
// as do SIGINT and SIGTERM and the death of the parent; a child that does not
// heed Stop is killed after Command.Grace, and one whose parent is gone ends
// itself after that time, so no child is left behind. Children are reaped
// without Wait. What went wrong is an *ExitError, and under it, if the function
// returned an error or panicked, a *RemoteError, in which errors.Is finds the
// sentinel errors of the child.
package process
