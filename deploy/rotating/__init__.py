"""What a rotation asks of the database of a cluster, done in the pod of the service whose tables they are."""
