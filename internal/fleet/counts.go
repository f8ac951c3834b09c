package fleet

import "sync/atomic"

// Count identifies a count of a Member.
type Count int

// Counts of a Member. Info describes them as metrics.
const (
	NodesRead       Count = iota // entries
	NodesOffered                 // candidates handed to the node
	NodesWritten                 // entries
	NodesCurrent                 // not written, since another member had just done so
	NodesDeferred                // not written, since there was no time: retried
	NodesRemoved                 // entries of nodes that do not answer
	BansRead                     // accepted entries
	WritesFailed                 // by an error of the fleet
	ReadsFailed                  // by an error of the fleet
	SkippedSize                  // entry too large
	SkippedKey                   // key is not one of its bucket
	SkippedValue                 // entry cannot be decoded
	SkippedVersion               // of a newer version
	SkippedRecord                // record is not valid, or of another node than its key says
	SkippedEndpoint              // record has no UDP endpoint
	SkippedOld                   // node was not seen for long
	SkippedBan                   // ban is too wide, has ended, or is one too many
	NewerFields                  // entries with fields that this program does not know
	FailuresDropped              // failed nodes that were not noted, since the queue was full

	NumCounts = iota
)

// CountInfo describes a Count as a Prometheus metric without its namespace.
type CountInfo struct{ Metric, Help, Label, Value string }

var countInfos = func() (infos [NumCounts]CountInfo) {
	const (
		writes  = "Entries of nodes that this member had to write, by result."
		skipped = "Entries of the fleet that this member ignored, by cause."
		errs    = "Calls to the fleet that failed, by operation."
	)
	set := func(metric, help, label string, values map[Count]string) {
		for c, value := range values {
			infos[c] = CountInfo{metric, help, label, value}
		}
	}
	set("fleet_nodes_read_total", "Entries of nodes read from the fleet.", "", map[Count]string{NodesRead: ""})
	set("fleet_nodes_offered_total", "Nodes of the fleet that this node has contacted.", "", map[Count]string{NodesOffered: ""})
	set("fleet_bans_read_total", "Bans of other members that were valid.", "", map[Count]string{BansRead: ""})
	set("fleet_newer_fields_total", "Entries with fields that this version does not know, and ignores.", "", map[Count]string{NewerFields: ""})
	set("fleet_failures_dropped_total", "Nodes that do not answer, and that the fleet was not told about.", "", map[Count]string{FailuresDropped: ""})
	set("fleet_nodes_written_total", writes, "result", map[Count]string{
		NodesWritten: "written", NodesCurrent: "current", NodesDeferred: "deferred", NodesRemoved: "removed",
	})
	set("fleet_errors_total", errs, "operation", map[Count]string{WritesFailed: "write", ReadsFailed: "read"})
	set("fleet_skipped_total", skipped, "cause", map[Count]string{
		SkippedSize: "size", SkippedKey: "key", SkippedValue: "value", SkippedVersion: "version", SkippedRecord: "record",
		SkippedEndpoint: "endpoint", SkippedOld: "old", SkippedBan: "ban",
	})
	return infos
}()

// Info describes c.
func (c Count) Info() CountInfo { return countInfos[c] }

// counts are the counts of one member.
type counts [NumCounts]atomic.Uint64

func (c *counts) add(i Count) { c[i].Add(1) }

// skip counts why decode failed.
func (c *counts) skip(err error) {
	c.add(skipOf(err))
}
