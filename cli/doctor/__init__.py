"""What `ecitizen doctor` looks at. Every check gives findings; none can hang, and none needs pyscard."""
