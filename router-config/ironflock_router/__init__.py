"""The router of the platform: what runs inside Crossbar's router worker beside Crossbar's own code."""
