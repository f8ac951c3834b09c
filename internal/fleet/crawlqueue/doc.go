// Package crawlqueue divides the nodes of a crawl among processes through NATS JetStream.
//
// # Layout
//
// A crawl named NAME has two streams:
//
//	discv5-crawl-NAME      the tasks: a work-queue stream with one subject for each node to visit
//	KV_discv5-crawl-NAME   the bucket of claims and results: one key for each node that a worker
//	                       has begun to visit
//
// # No node is visited twice
//
// Two rules of the server ensure that, whatever the workers do and whenever they do it:
//
//   - Push publishes to the subject of the node under the condition that no message of that subject
//     is in the stream. So a node is queued once at a time. The condition needs no memory of
//     earlier messages, which a window for duplicates would.
//   - A worker claims the node before the visit: it creates the key, or replaces the revision that
//     it has read. A task whose node has a result is a duplicate, and ends there.
//
// A finder does not need to know whether the node was visited before: the claim will tell.
//
// # A killed worker loses nothing
//
// A worker acknowledges a task after the nodes that it found are queued and the result is stored.
// Until then the task belongs to the worker as long as it sends heartbeats. Afterwards the server
// delivers the task to another worker, which takes over the claim by its revision. A worker that
// was only suspended finds the revision changed and drops its result.
//
// # The end
//
// The crawl is complete when the stream of tasks is empty: a message leaves it by its
// acknowledgment only, and every node that a visit has found is there before that.
//
// # Trust
//
// Tasks and results are data of an unverified source: records are verified when they are read, and
// what is wrong is counted and ignored.
package crawlqueue
