"""The router of the platform: Crossbar's sessions, brokers and dealers, and what is ours around them."""
